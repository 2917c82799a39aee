//! Counts where two agree.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Agreement(BTreeMap<&'static str, Field>);

#[derive(Default)]
struct Field {
    agreed: u64,
    all: u64,
    /// Answers where none was expected.
    made_up: Vec<String>,
    /// By how much each difference weighs.
    differences: BTreeMap<(String, String), (u64, String)>,
}

impl Agreement {
    /// Counts one answer, as so many.
    pub fn count(
        &mut self,
        field: &'static str,
        weight: u64,
        expected: Option<String>,
        got: Option<String>,
        user_agent: &str,
    ) {
        let field = self.0.entry(field).or_default();
        let Some(expected) = expected else {
            field.made_up.extend(got.map(|got| format!("{got}: {user_agent}")));
            return;
        };
        field.all += weight;
        if got.as_ref() == Some(&expected) {
            field.agreed += weight;
            return;
        }
        let key = (expected, got.unwrap_or_default());
        field.differences.entry(key).or_insert_with(|| (0, user_agent.to_owned())).0 += weight;
    }

    /// Shows what was counted; fails where the share in percent is less, with the differences that weigh most.
    pub fn assert_at_least(&self, percent: f64, fields: &[&str]) {
        for name in fields {
            let Field { agreed, all, differences, .. } = &self.0[name];
            let share = 100.0 * *agreed as f64 / *all as f64;
            println!("{name}: {agreed} of {all}, {share:.2} %");
            let mut differences: Vec<_> = differences.iter().collect();
            differences.sort_by_key(|(_, (weight, _))| std::cmp::Reverse(*weight));
            for ((expected, got), (weight, user_agent)) in differences.iter().take(20) {
                println!("  {weight} times {expected:?}, not {got:?}: {user_agent}");
            }
            assert!(share >= percent, "{name}: {share:.2} % agree, {percent} % are wanted");
        }
    }

    /// Fails where there is an answer and none was expected.
    pub fn assert_nothing_made_up(&self, fields: &[&str]) {
        for name in fields {
            let made_up = &self.0[name].made_up;
            assert!(made_up.is_empty(), "{name}: {made_up:#?}");
        }
    }
}
