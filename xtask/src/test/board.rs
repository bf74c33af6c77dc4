//! Who does what when: a few workers take the first step that is ready, until none is left.

use super::step::{Done, Kind, Place, Step};
use anyhow::Result;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many steps ended how.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// Runs `steps`, as many at once as there are cores and the steps allow.
///
/// # Errors
/// When nothing can be printed.
pub(crate) fn run(steps: &[Step], place: &Place) -> Result<Tally> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    let board =
        Board { steps, states: Mutex::new(vec![State::Waiting; steps.len()]), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let crew: Vec<_> = (0..workers).map(|_| scope.spawn(|| board.work(place))).collect();
        crew.into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
    })?;
    Ok(board.tally())
}

struct Board<'a> {
    steps: &'a [Step],
    states: Mutex<Vec<State>>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Passed,
    Failed,
    Skipped,
}

impl State {
    fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// What a free worker does.
enum Next<'a> {
    Run(usize),
    /// The step cannot pass for want of another.
    Abandon(usize, &'a str),
    Wait,
    Leave,
}

impl Board<'_> {
    /// One worker's life.
    fn work(&self, place: &Place) -> Result<()> {
        let mut states = self.lock();
        loop {
            match self.next(&states) {
                Next::Leave => return Ok(()),
                Next::Wait => {
                    states = self.changed.wait(states).expect("no worker panics with the board in hand");
                }
                Next::Abandon(index, need) => {
                    states[index] = State::Failed;
                    self.say("FAILED", index, Duration::ZERO, &format!("not run, for it needs {need}"))?;
                    self.changed.notify_all();
                }
                Next::Run(index) => {
                    states[index] = State::Running;
                    drop(states);
                    let begun = Instant::now();
                    let result = self.steps[index].run(place);
                    states = self.lock();
                    states[index] = self.report(index, begun.elapsed(), result)?;
                    self.changed.notify_all();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().expect("no worker panics with the board in hand")
    }

    /// The first step that is ready.
    fn next(&self, states: &[State]) -> Next<'_> {
        let is_busy = |step: &Step| {
            step.cargo
                && self.steps.iter().zip(states).any(|(other, state)| other.cargo && *state == State::Running)
        };
        for (index, step) in
            self.steps.iter().enumerate().filter(|(index, _)| states[*index] == State::Waiting)
        {
            let needs = || step.needs.iter().map(|need| (*need, self.state_of(need, states)));
            if let Some((need, _)) =
                needs().find(|(_, state)| matches!(state, State::Failed | State::Skipped))
            {
                return Next::Abandon(index, need);
            }
            if needs().all(|(_, state)| state.is_over()) && !is_busy(step) {
                return Next::Run(index);
            }
        }
        if states.contains(&State::Waiting) { Next::Wait } else { Next::Leave }
    }

    /// The state of a step by its name.
    fn state_of(&self, name: &str, states: &[State]) -> State {
        let index = self.steps.iter().position(|step| step.name == name);
        index.map_or(State::Failed, |index| states[index])
    }

    /// Says how a step ended.
    fn report(&self, index: usize, taken: Duration, result: Result<Done>) -> Result<State> {
        match result {
            Ok(Done::Passed(note)) => self.say("passed", index, taken, &note).map(|()| State::Passed),
            Ok(Done::Skipped(why)) => self.say("skipped", index, taken, &why).map(|()| State::Skipped),
            Err(error) => self.say("FAILED", index, taken, &format!("{error:#}")).map(|()| State::Failed),
        }
    }

    /// A step's line, and under it the rest of a long note.
    fn say(&self, word: &str, index: usize, taken: Duration, note: &str) -> Result<()> {
        let (first, rest) = note.split_once('\n').unwrap_or((note, ""));
        let line =
            format!("{word:<8} {:<24} {:>7.1} s  {first}", self.steps[index].name, taken.as_secs_f64());
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", line.trim_end())?;
        for line in rest.lines() {
            writeln!(out, "    {line}")?;
        }
        Ok(out.flush()?)
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (step, state) in self.steps.iter().zip(self.lock().iter()) {
            match (state, step.kind) {
                (State::Passed, Kind::Check) => tally.passed += 1,
                (State::Skipped, _) => tally.skipped += 1,
                (State::Passed, Kind::Preparation) => {}
                (State::Failed | State::Waiting | State::Running, _) => tally.failed += 1,
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn passing(name: &'static str) -> Step {
        Step::check(name, "", |_| Ok(Done::Passed(String::new())))
    }

    fn failing(name: &'static str) -> Step {
        Step::check(name, "", |_| Err(anyhow!("as the test wants it")))
    }

    fn tally(steps: &[Step]) -> (usize, usize, usize) {
        let Tally { passed, failed, skipped } = run(steps, &Place::find().expect("a place")).expect("a run");
        (passed, failed, skipped)
    }

    #[test]
    fn a_failure_fails_what_needs_it_and_nothing_else() {
        let steps = [
            failing("test-a"),
            passing("test-b").needing(&["test-a"]),
            passing("test-c").needing(&["test-b"]),
            passing("test-d"),
        ];
        assert_eq!(tally(&steps), (1, 3, 0));
    }

    #[test]
    fn a_preparation_counts_only_when_it_fails() {
        let good = Step::preparation("test-e", "", |_| Ok(Done::Passed(String::new())));
        let bad = Step::preparation("test-f", "", |_| Err(anyhow!("as the test wants it")));
        assert_eq!(tally(&[good, bad]), (0, 1, 0));
    }

    #[test]
    fn what_is_skipped_is_not_called_passed() {
        let step = Step::check("test-g", "", |_| Ok(Done::Skipped("not here".into())));
        assert_eq!(tally(&[step]), (0, 0, 1));
    }

    #[test]
    fn steps_that_share_cargos_folder_never_run_at_once() {
        let inside = Arc::new(AtomicUsize::new(0));
        let steps = ["test-h", "test-i", "test-j"].map(|name| {
            let inside = inside.clone();
            Step::check(name, "", move |_| {
                let others = inside.fetch_add(1, Ordering::SeqCst);
                // Long enough for the other workers to come in, were they let.
                std::thread::sleep(Duration::from_millis(20));
                inside.fetch_sub(1, Ordering::SeqCst);
                if others == 0 { Ok(Done::Passed(String::new())) } else { Err(anyhow!("another is inside")) }
            })
            .in_cargos_folder()
        });
        assert_eq!(tally(&steps), (3, 0, 0));
    }
}
