//! The numbers an exercise is about: the lesson's own, or others of the same kind for a seed.

use std::collections::BTreeMap;

use cel::Value;

use super::chance::Chance;
use super::exercise::{Exercise, LESSON_SEED};
use super::expr::EvalError;
use super::scope::Scope;
use super::value;

/// A given of an exercise.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Its name in expressions.
    pub name: String,
    /// What kind of number, and from where to where.
    pub kind: GivenKind,
    /// The lesson's own value.
    pub lesson: Value,
    /// Not listed in the answers file, because it would give an answer away.
    pub hidden: bool,
}

/// The kinds of givens.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenKind {
    /// The same for every seed.
    Fixed,
    /// A whole number.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// Every value is a multiple of this.
        step: u64,
    },
    /// An address in the kernel's direct mapping, a multiple of `align`.
    KernelAddress {
        /// A power of two.
        align: u64,
    },
    /// The address of a function of the kernel, a multiple of 16.
    KernelText,
    /// An address on a user stack, a multiple of `align`.
    UserAddress {
        /// A power of two.
        align: u64,
    },
    /// A process id.
    Pid,
    /// One of these.
    Choice(Vec<Value>),
}

/// Start and size of the direct mapping with four-level page tables (Documentation/arch/x86/x86_64/mm.rst); the first 256 GiB.
const DIRECT_MAP: (u64, u64) = (0xffff_8880_0000_0000, 0x40_0000_0000);
/// Where the kernel's own code is linked to, and how much of it there is (same source; CONFIG_PHYSICAL_START is 16 MiB).
const KERNEL_TEXT: (u64, u64) = (0xffff_ffff_8100_0000, 0x100_0000);
/// Where the kernel places the stacks of 64-bit programs without five-level page tables.
const USER_STACK: (u64, u64) = (0x7ffc_0000_0000, 0x3_ffff_f000);

impl GivenKind {
    /// Whether `value` may stand for this given.
    #[must_use]
    pub fn admits(&self, value: &Value) -> bool {
        let number = value::as_integer(value).and_then(|number| u64::try_from(number).ok());
        match self {
            Self::Fixed => true,
            Self::Integer { min, max, step } => {
                number.is_some_and(|number| (*min..=*max).contains(&number) && number.is_multiple_of(*step))
            }
            Self::KernelAddress { .. } => number.is_some_and(|number| number >= 0xff00_0000_0000_0000),
            Self::KernelText => number.is_some_and(|number| number >= 0xffff_ffff_8000_0000),
            Self::UserAddress { .. } => number.is_some_and(|number| (0x1000..1 << 47).contains(&number)),
            Self::Pid => number.is_some_and(|number| (2..4_194_304).contains(&number)),
            Self::Choice(values) => values.contains(value),
        }
    }

    fn draw(&self, lesson: &Value, chance: &mut Chance) -> Value {
        let aligned = |(start, size): (u64, u64), align: u64, chance: &mut Chance| {
            Value::UInt(start + chance.between(0, size / align - 1) * align)
        };
        match self {
            Self::Fixed => lesson.clone(),
            Self::Integer { min, max, step } => {
                value::unsigned(chance.between(min.div_ceil(*step), max / step) * step)
            }
            Self::KernelAddress { align } => aligned(DIRECT_MAP, *align, chance),
            Self::KernelText => aligned(KERNEL_TEXT, 16, chance),
            Self::UserAddress { align } => aligned(USER_STACK, *align, chance),
            Self::Pid => value::unsigned(chance.between(300, 32_000)),
            Self::Choice(values) => {
                let index = chance.between(0, values.len() as u64 - 1);
                values
                    .get(usize::try_from(index).unwrap_or(0))
                    .cloned()
                    .unwrap_or(Value::Null)
            }
        }
    }
}

/// How often givens are drawn again until they meet the exercise's `require`.
const ATTEMPTS: u32 = 200;

/// The givens for a seed, by name. `lesson` gives the lesson's.
///
/// # Errors
/// When a `require` of the course cannot be evaluated, or cannot be met.
pub fn values(exercise: &Exercise, seed: &str) -> Result<BTreeMap<String, Value>, EvalError> {
    let lesson = || {
        exercise
            .givens
            .iter()
            .map(|given| (given.name.clone(), given.lesson.clone()))
            .collect()
    };
    if seed == LESSON_SEED {
        return Ok(lesson());
    }
    let mut unmet = None;
    for attempt in 0..ATTEMPTS {
        let mut scope = Scope::new();
        let mut drawn = BTreeMap::new();
        for given in &exercise.givens {
            let purpose = format!("{}/given/{}/{attempt}", exercise.full_name(), given.name);
            let value = given.kind.draw(&given.lesson, &mut Chance::new(seed, &purpose));
            scope.set(&given.name, value.clone());
            drawn.insert(given.name.clone(), value);
        }
        unmet = None;
        for condition in &exercise.require {
            if !condition.holds(&scope)? {
                unmet = Some(condition);
                break;
            }
        }
        if unmet.is_none() {
            return Ok(drawn);
        }
    }
    match unmet {
        Some(condition) => Err(condition.fails(format!("no givens meet this for the seed `{seed}`"))),
        None => Ok(lesson()),
    }
}
