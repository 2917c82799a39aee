//! In which order contenders take their turns, and what is made of their figures.

/// Returns the median; of an even number of values, the mean of the two in the middle. There must be one at least.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Returns between which two of the values the median of all possible ones lies with at least 95 % confidence; nothing
/// where there are fewer than six.
///
/// Each value is above the true median with probability 1/2, whatever their distribution. So the one in place `k` from
/// either end misses it only if fewer than `k` of them lie on that side: by the binomial distribution, the 4th and the
/// 12th of 15.
pub fn median_interval(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len();
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let (mut misses, mut place) = (0.0, 0);
    // `probability` is that of exactly `place` values on one side.
    loop {
        misses += 2.0 * probability;
        if misses > 0.05 {
            break;
        }
        probability *= (count - place) as f64 / (place + 1) as f64;
        place += 1;
    }
    let first = place.checked_sub(1)?;
    let sorted = sorted(values);
    Some((sorted[first], sorted[count - 1 - first]))
}

/// Returns the value below which `share` of all lie, of values in order. There must be one at least.
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted[place.min(sorted.len() - 1)]
}

/// Returns who runs when in a round.
///
/// In as many rounds as there are contenders, twice as many where their number is odd, everyone is in every place equally
/// often, and comes equally often after each of the others: whatever a run leaves behind, it leaves it to all (E. J.
/// Williams, 1949).
pub fn order_of_turns(round: usize, contenders: usize) -> Vec<usize> {
    let zigzag = (0..contenders)
        .map(|turn| if turn % 2 == 1 { turn.div_ceil(2) } else { (contenders - turn / 2) % contenders });
    let mut order: Vec<usize> = zigzag.map(|contender| (contender + round) % contenders).collect();
    if contenders % 2 == 1 && round / contenders % 2 == 1 {
        order.reverse();
    }
    order
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}
