//! What a resource costs when there are many already: in process, where the caps can be raised.

use gpu_display::{Headless, HeadlessConfig};
use std::time::Instant;
use virtio_gpu::Limits;
use virtio_gpu::backend::{Backend, Outcome};
use virtio_gpu::protocol::{Command, Features, QueueKind, Request, ResourceCreate2d, ResourceId};
use virtio_gpu::testing::header;

use super::Setting;
use crate::report::{Contender, Goal, Race, Report};

const MANY: u32 = 100_000;
const FEW: u32 = 10;
/// Creations and unrefs of one round.
const ROUND: u32 = 20_000;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let contender = |name, live| {
        let mut table = Table::with(setting, live);
        Contender {
            name,
            measure: Box::new(move || table.creations_a_second()),
        }
    };
    Race {
        what: "create and unref".to_owned(),
        unit: "pairs/s",
        rounds: setting.rounds,
        contenders: vec![
            contender("100,000 live resources", MANY),
            contender("10 live resources", FEW),
        ],
        goals: &[Goal::AtLeast(0.8)],
    }
    .run(report);
}

struct Table<'a> {
    backend: Backend<Headless>,
    setting: &'a Setting,
    live: u32,
}

impl<'a> Table<'a> {
    fn with(setting: &'a Setting, live: u32) -> Self {
        let mut limits = Limits::default();
        limits.resources = MANY as usize + 1;
        limits.host_bytes = 1 << 40;
        let display = Headless::new(HeadlessConfig::default()).unwrap();
        let mut table = Self {
            backend: Backend::new(display, None, 1, limits),
            setting,
            live,
        };
        for id in 1..=live {
            table.create(id);
        }
        table
    }

    fn create(&mut self, id: u32) {
        self.execute(Command::ResourceCreate2d(ResourceCreate2d {
            resource: ResourceId(id),
            format: 2,
            width: 64,
            height: 64,
        }));
    }

    fn execute(&mut self, command: Command<'_>) {
        let request = Request {
            header: header(&command, None),
            command,
        };
        let outcome = self.backend.execute(
            QueueKind::Control,
            Features::empty(),
            &request,
            &self.setting.guest.memory,
        );
        assert!(matches!(outcome, Outcome::Done(Ok(_))), "{outcome:?}");
    }

    fn creations_a_second(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..ROUND {
            let id = self.live + 1;
            self.create(id);
            self.execute(Command::ResourceUnref {
                resource: ResourceId(id),
            });
        }
        f64::from(ROUND) / start.elapsed().as_secs_f64()
    }
}
