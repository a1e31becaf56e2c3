//! What running processes were started with.

use std::collections::BTreeSet;

use fs_err as fs;

/// Every word in the arguments of every process that can be seen, taken apart where paths and options have their
/// joints: the name of a folder in the path of a disk image is one.
pub fn words_of_processes() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let Ok(processes) = fs::read_dir("/proc") else {
        return words;
    };
    for process in processes.filter_map(Result::ok) {
        let is_process = process.file_name().to_string_lossy().parse::<u32>().is_ok();
        // One that has ended meanwhile uses nothing any more.
        if is_process && let Ok(arguments) = fs::read(process.path().join("cmdline")) {
            take_apart(&arguments, &mut words);
        }
    }
    words
}

fn take_apart(arguments: &[u8], words: &mut BTreeSet<String>) {
    let parts = arguments.split(|byte| b"\0/,=: ".contains(byte));
    let texts = parts.filter_map(|part| std::str::from_utf8(part).ok());
    words.extend(texts.filter(|text| !text.is_empty()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_disks_path_is_a_word() {
        let mut words = BTreeSet::new();
        let arguments = b"qemu\0-blockdev\0driver=raw,file.filename=/s/v1/images/0a1b/layer.erofs\0-object\0m,mem-path=/s/t/77/memory,share=off\0";
        take_apart(arguments, &mut words);
        for word in ["qemu", "0a1b", "77", "layer.erofs"] {
            assert!(words.contains(word), "{word}: {words:?}");
        }
    }

    #[test]
    fn this_process_is_among_them() {
        let own = std::env::args().next().unwrap();
        let name = own.rsplit('/').next().unwrap();
        assert!(words_of_processes().contains(name));
    }
}
