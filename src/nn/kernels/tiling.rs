//! How many rows of a product are handled together: as many as registers allow, and none by itself where there are others.

/// Cuts so many rows into tiles that are as few as they can be, none larger than `LARGEST`, and about equal: the first row and
/// the number of rows of each.
#[inline(always)]
pub(super) fn tiles<const LARGEST: usize>(n_rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    let mut n_tiles = n_rows.div_ceil(LARGEST);
    std::iter::from_fn(move || {
        let n = (n_rows - first).checked_div(n_tiles)?;
        let tile = (first, n);
        (first, n_tiles) = (first + n, n_tiles - 1);
        Some(tile)
    })
}

/// Evaluates an expression in which `R` is a constant: the number of rows, one of those that are listed.
macro_rules! with_rows {
    ($n_rows:expr, [$($n:literal)*], $call:expr) => {
        match $n_rows {
            $($n => {
                const R: usize = $n;
                $call
            })*
            n_rows => unreachable!("a tile of {n_rows} rows"),
        }
    };
}

pub(super) use with_rows;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_equal_and_leave_no_row_over() {
        for n_rows in 0..200 {
            let tiles: Vec<_> = tiles::<12>(n_rows).collect();
            assert_eq!(tiles.len(), n_rows.div_ceil(12));
            let mut next = 0;
            for (first, n) in &tiles {
                assert!(*first == next && (1..=12).contains(n), "{n_rows}: {tiles:?}");
                next += n;
            }
            assert_eq!(next, n_rows);
            let [sizes_min, sizes_max] =
                [tiles.iter().map(|it| it.1).min(), tiles.iter().map(|it| it.1).max()];
            assert!(sizes_max.unwrap_or(0) - sizes_min.unwrap_or(0) <= 1, "{n_rows}: {tiles:?}");
        }
    }
}
