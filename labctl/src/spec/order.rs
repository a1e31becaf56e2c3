//! Sorting things so that each comes after what it needs.

/// An order of `0..count` in which every item follows its needs, otherwise as given.
///
/// # Errors
/// An item that needs itself, directly or through others.
pub fn by_needs(count: usize, needs: impl Fn(usize) -> Vec<usize>) -> Result<Vec<usize>, usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }

    fn visit(
        item: usize,
        needs: &dyn Fn(usize) -> Vec<usize>,
        marks: &mut [Mark],
        out: &mut Vec<usize>,
    ) -> Result<(), usize> {
        match marks[item] {
            Mark::Done => return Ok(()),
            Mark::Open => return Err(item),
            Mark::New => {}
        }
        marks[item] = Mark::Open;
        for need in needs(item) {
            visit(need, needs, marks, out)?;
        }
        marks[item] = Mark::Done;
        out.push(item);
        Ok(())
    }

    let mut marks = vec![Mark::New; count];
    let mut out = Vec::with_capacity(count);
    for item in 0..count {
        visit(item, &needs, &mut marks, &mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_first_and_cycles_are_found() {
        assert_eq!(
            by_needs(4, |item| if item == 0 { vec![2, 3] } else { vec![] }),
            Ok(vec![2, 3, 0, 1])
        );
        assert_eq!(by_needs(2, |item| vec![1 - item]), Err(0));
        assert_eq!(by_needs(1, |_| vec![0]), Err(0));
    }
}
