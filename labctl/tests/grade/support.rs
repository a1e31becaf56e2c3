//! The course as it lies in the repository, and evidence as a guest would give it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use labctl::grade::evidence::{
    AnswersInput, BuildOutcome, BuildRecord, Evidence, KernelRecord, StepKindName, StepRecord, StepStatus,
};
use labctl::grade::verdict::{CheckResult, ExerciseResult};
use labctl::spec::course::{Course, Module};
use labctl::spec::exercise::Exercise;
use labctl::spec::files::CourseFiles;
use labctl::spec::workspace;

/// The repository's own course.
pub(crate) static COURSE: LazyLock<Course> = LazyLock::new(|| match Course::load(&files()) {
    Ok(course) => course,
    Err(errors) => panic!("the course has errors:\n{errors}"),
});

pub(crate) fn files() -> CourseFiles {
    let root = repository();
    let mut files = CourseFiles::new();
    files.insert("labs.yaml", std::fs::read(root.join("labs.yaml")).unwrap());
    add(&root, &root.join("labs"), &mut files);
    files
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds the files below a folder, by their paths from `root`.
pub(crate) fn add(root: &Path, folder: &Path, files: &mut CourseFiles) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn module() -> &'static Module {
    COURSE.module("module7").unwrap()
}

pub(crate) fn exercise(id: &str) -> &'static Exercise {
    module().exercise(id).unwrap()
}

pub(crate) fn grade(exercise: &Exercise, evidence: &Evidence) -> ExerciseResult {
    match labctl::grade::grade(exercise, evidence) {
        Ok(result) => result,
        Err(error) => panic!(
            "{error}: {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        ),
    }
}

pub(crate) fn check<'r>(result: &'r ExerciseResult, id: &str) -> &'r CheckResult {
    result
        .checks
        .iter()
        .find(|check| check.id == id)
        .unwrap_or_else(|| panic!("no check {id}"))
}

pub(crate) const KERNEL_BUFFER: u64 = 0xff25_6bea_be44_562c;
pub(crate) const SENDER_BUFFER: u64 = 0x7fff_c909_24a2;
pub(crate) const RECEIVER_BUFFER: u64 = 0x7ffc_ec33_d470;
pub(crate) const ITER: u64 = 0xff67_d17e_0046_fd90;
pub(crate) const SENDER: u32 = 176;
pub(crate) const RECEIVER: u32 = 174;

/// The message of the run whose evidence this is.
pub(crate) fn message(evidence: &Evidence) -> String {
    format!("HELLO_NETWORK-{}", evidence.draws["nonce"].as_str().unwrap())
}

/// The exercises with blanks.
pub(crate) fn worksheets() -> impl Iterator<Item = &'static Exercise> {
    module()
        .exercises
        .iter()
        .filter(|exercise| !exercise.worksheet.is_empty())
}

/// Evidence of the right answers alone: nothing was built and no guest ran.
pub(crate) fn paper(exercise: &Exercise, seed: &str) -> Evidence {
    let mut evidence = Evidence::new(&exercise.full_name(), seed);
    let file = workspace::answers_path(exercise.id.as_str());
    evidence.answers = workspace::solution(module(), seed)
        .unwrap()
        .get(&file)
        .map(|text| AnswersInput {
            file,
            text: text.clone(),
        });
    evidence
}

/// The exercises whose runs are made up here; other runs are seen in guests.
pub(crate) const MADE_UP: [&str; 2] = ["exercise-b", "complete-test"];

/// Evidence of a run in which everything was right, with the copies that such programs make besides.
pub(crate) fn right(exercise: &Exercise) -> Evidence {
    let seed = "lesson";
    let mut evidence = Evidence::new(&exercise.full_name(), seed);
    evidence.draws = exercise.draw("run 1");
    let text =
        workspace::solution(module(), seed).unwrap()[&workspace::answers_path(exercise.id.as_str())].clone();
    evidence.answers = Some(AnswersInput {
        file: workspace::answers_path(exercise.id.as_str()),
        text,
    });
    for artefact in &exercise.build {
        let build = BuildRecord {
            outcome: BuildOutcome::Ok,
            diagnostics: Vec::new(),
            log: String::new(),
        };
        evidence.builds.insert(artefact.name.clone(), build);
    }
    for (index, step) in exercise.run.iter().enumerate() {
        let kind = StepKindName::from(&step.kind);
        let at = 3_000_000 + 100_000 * index as u64;
        evidence.steps.push(StepRecord {
            id: step.id.clone(),
            kind,
            status: kind.going_well(),
            stdout: String::new(),
            stderr: String::new(),
            pid: None,
            started_us: Some(at),
            ended_us: Some(at + 90_000),
        });
    }
    let message = message(&evidence);
    let length = message.len();
    step(&mut evidence, "sender").stdout = format!("Sending from buffer at {SENDER_BUFFER:#x}\n");
    step(&mut evidence, "receiver").stdout =
        format!("Receiving into buffer at {RECEIVER_BUFFER:#x}\nReceived {length} bytes: {message}\n");

    log(
        &mut evidence,
        2_950_000,
        "send_trace: loading out-of-tree module taints kernel.",
    );
    log(
        &mut evidence,
        3_210_000,
        "[COPY4] PID=174 src=ff67d17e0046fe10 len=32",
    );
    log(
        &mut evidence,
        3_310_000,
        &format!("[COPY1] PID={SENDER} dest={KERNEL_BUFFER:016x} len={length}"),
    );
    log(
        &mut evidence,
        3_311_000,
        &format!("[COPY4] PID={RECEIVER} src={KERNEL_BUFFER:016x} len={length}"),
    );
    log(
        &mut evidence,
        3_312_000,
        "[COPY1] PID=176 dest=ff256bea836d1000 len=40",
    );
    let data = message.as_bytes();
    witness(
        &mut evidence,
        "receiver",
        "_copy_to_iter",
        0xff67_d17e_0046_fe10,
        32,
        None,
        &[0; 32],
    );
    witness(
        &mut evidence,
        "receiver",
        "_copy_from_iter",
        0xff25_6bea_9000_0000,
        48,
        None,
        b"Receiving into",
    );
    witness(
        &mut evidence,
        "sender",
        "_copy_from_iter",
        KERNEL_BUFFER,
        length,
        Some(SENDER_BUFFER),
        data,
    );
    witness(
        &mut evidence,
        "receiver",
        "_copy_to_iter",
        KERNEL_BUFFER,
        length,
        Some(RECEIVER_BUFFER),
        data,
    );
    witness(
        &mut evidence,
        "sender",
        "_copy_from_iter",
        0xff25_6bea_836d_1000,
        40,
        None,
        b"Sending from buffer",
    );
    evidence
}

pub(crate) fn step<'e>(evidence: &'e mut Evidence, id: &str) -> &'e mut StepRecord {
    evidence
        .steps
        .iter_mut()
        .find(|step| step.id == id)
        .unwrap_or_else(|| panic!("no step {id}"))
}

pub(crate) fn log(evidence: &mut Evidence, us: u64, text: &str) {
    let seq = 400 + evidence.kernel_log.len() as u64;
    evidence.kernel_log.push(KernelRecord {
        seq,
        level: 6,
        us,
        text: text.to_owned(),
    });
}

/// Rewrites the kernel log's lines; `None` drops one.
pub(crate) fn rewrite(evidence: &mut Evidence, change: impl Fn(&str) -> Option<String>) {
    evidence
        .kernel_log
        .retain_mut(|record| match change(&record.text) {
            Some(text) => {
                record.text = text;
                true
            }
            None => false,
        });
}

pub(crate) fn witness(
    evidence: &mut Evidence,
    comm: &str,
    func: &str,
    addr: u64,
    len: usize,
    user: Option<u64>,
    data: &[u8],
) {
    let pid = if comm == "sender" { SENDER } else { RECEIVER };
    let data: String = data.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
    evidence.witness.push(serde_json::json!({
        "seq": evidence.witness.len() + 1, "ns": 3_310_000_000_u64, "cpu": 0, "pid": pid, "tgid": pid, "comm": comm,
        "func": func, "addr": format!("{addr:#x}"), "len": len, "iter": "ubuf",
        "user": user.map(|user| format!("{user:#x}")), "ret": len, "dur_ns": 812, "data": data,
    }));
}

/// Nothing from this step on was run.
pub(crate) fn not_run_from(evidence: &mut Evidence, id: &str) {
    let from = evidence.steps.iter().position(|step| step.id == id).unwrap();
    for step in &mut evidence.steps[from..] {
        step.status = StepStatus::NotRun;
        step.stdout.clear();
    }
}
