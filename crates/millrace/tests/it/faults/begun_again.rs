//! Steps of a run whose connection to the warehouse breaks, or stalls: each begins again, and is done once.

use super::{Fault, How, LONG, Torn, Way, When, middle, rounds, seeded, within};
use crate::server::signal_to;

/// By what of it each step is known.
const MODEL: &[&[u8]] = &[b"create table \"build\".\"orders__r"];
const COMMITTED: &[&[u8]] = &[b"create table \"build\".\"orders__r", b"commit\0"];
const HOOK: &[&[u8]] = &[b"add column hooked", b"commit\0"];
const TEST: &[&[u8]] = &[b"where \"id\" is null"];
const INDEXED: &[&[u8]] = &[b"analyze \"build\""];
const RECORDED: &[&[u8]] = &[b"(publication, run, published_at"];
const PUBLISHED: &[&[u8]] = &[b"(publication, run, published_at", b"commit\0"];

const DROPPED: &[&[u8]] = &[b"(publication, run, published_at", b"commit\0", b"drop table"];
const ENDED: &[&[u8]] = &[b"(publication, run, published_at", b"commit\0", b"\"status\":\"succeeded\""];

/// Before the server has heard of it; and before its answer is heard, too.
const UNHEARD: &[How] = &[How::CutBefore];
const BOTH: &[How] = &[How::CutBefore, How::Cut];

impl Torn {
    fn data_version(&self) -> u32 {
        let sql = "select max(publication) from _millrace.publications";
        self.project.rows_in(self.env, sql)[0][0].parse().expect("a number")
    }

    /// A run with a fault on the way to the warehouse comes through, says what began again, and publishes once.
    fn comes_through(&mut self, way: Way, when: When, how: How, what: Option<&str>) {
        let before = self.data_version();
        let (ended, said) = self.run(|torn| &torn.warehouse, Fault { way, when, how });
        self.warehouse.let_go();
        let place = format!("{when:?}, {how:?}");
        assert!(ended.success(), "{place}: {said}");
        let word = |what| {
            format!("warning[warehouse-unreachable]: {what} was interrupted; it begins again in 0.5 s")
        };
        assert_eq!(said.matches("begins again").count(), usize::from(what.is_some()), "{place}: {said}");
        assert!(what.is_none_or(|what| said.contains(&word(what))), "{place}: {said}");
        self.assert_whole(&place);
        assert_eq!(self.data_version(), before + 1, "{place}");
    }
}

pub(super) fn steps(torn: &mut Torn) {
    torn.project.write(
        "models/orders.yml",
        // A hook that fails where it has run before on the same table.
        "models:\n  - name: orders\n    post_hook: alter table {{ this }} add column hooked int\n    \
         columns: [{name: id, data_tests: [not_null, unique]}]\n",
    );
    torn.project.run_json(0, &["--env", torn.env]);
    for (texts, what, hows) in [
        (MODEL, Some("the build of model `orders`"), UNHEARD),
        (COMMITTED, Some("the build of model `orders`"), BOTH),
        (HOOK, Some("the build of model `orders`"), BOTH),
        // A question is asked again without a word.
        (TEST, None, UNHEARD),
        (INDEXED, Some("the preparation of new tables"), UNHEARD),
        (RECORDED, Some("the publish"), UNHEARD),
        (PUBLISHED, Some("the publish"), BOTH),
    ] {
        for how in hows {
            torn.comes_through(Way::ToServer, When::Texts(texts), *how, what);
        }
    }
}

/// The way does not break, but nothing comes over it any more.
pub(super) fn stalls(torn: &mut Torn) {
    // A connection that was used before is asked for two seconds.
    let patience = "sslmode=disable&connect_timeout=2\", silence: 200ms";
    let manifest = torn.project.read("millrace.yml").replace("sslmode=disable\"", patience);
    torn.project.write("millrace.yml", manifest);
    let source = torn.project.read("sources/crm.yml").replace("streams:", "read_timeout: 500ms\nstreams:");
    torn.project.write("sources/crm.yml", source);
    let [[_, read], [written, _]] = torn.measure();
    let stall = |bytes, way| Fault { how: How::Stall, ..middle(bytes, way) };
    let (ended, said) = torn.run(|torn| &torn.source, stall(read, Way::ToClient));
    torn.source.let_go();
    assert!(ended.success(), "{said}");
    assert!(said.contains("has said nothing for 500 ms, over a connection that is still open"), "{said}");
    torn.assert_whole("a source that is silent");
    let when = stall(written, Way::ToServer).when;
    torn.comes_through(Way::ToServer, when, How::Stall, Some("the load of stream `crm.orders`"));
    torn.comes_through(Way::ToServer, When::Texts(MODEL), How::Stall, Some("the build of model `orders`"));
    torn.comes_through(Way::ToServer, When::Texts(RECORDED), How::Stall, Some("the publish"));
    let bytes = torn.measure();
    let mut random = seeded();
    for n in 0..rounds() {
        for way in [Way::ToServer, Way::ToClient] {
            let at = within(&mut random, bytes[1][way as usize]);
            let (ended, said) =
                torn.run(|torn| &torn.warehouse, Fault { way, when: When::Bytes(at), how: How::Stall });
            torn.warehouse.let_go();
            assert!(ended.success(), "{n}: {way:?} after {at} bytes: {said}");
            torn.assert_whole(&format!("{way:?} stalls after {at} bytes"));
        }
    }
}

/// What fails after a version was published fails no run: readers have it. It is told, and the next run puts right what was left.
pub(super) fn after_the_publish(torn: &mut Torn) {
    // Nothing is heard of what is dropped at last, and somebody ends the run.
    let before = torn.data_version();
    torn.change();
    torn.warehouse.set(Fault { way: Way::ToServer, when: When::Texts(DROPPED), how: How::Stall });
    let mut run = torn.start();
    assert!(torn.warehouse.wait(LONG), "not met: {}", torn.project.read("said"));
    signal_to(run.id(), "TERM");
    let ended = run.wait().expect("it ends");
    torn.warehouse.let_go();
    torn.warehouse.clear();
    let said = torn.project.read("said");
    assert!(ended.success(), "{said}");
    let version = before + 1;
    assert!(
        said.contains(&format!("data version {version} is published, but what comes after was not finished")),
        "{said}"
    );
    assert_eq!(torn.seen().0, torn.truth(), "{said}");
    let told = torn.project.run(&["status", "--env", torn.env]).stdout;
    assert!(told.contains("what comes after was not finished"), "{told}");
    // The record of its end is not taken, for longer than anybody waits.
    let before = torn.data_version();
    let (ended, said) = torn
        .run(|torn| &torn.warehouse, Fault { way: Way::ToServer, when: When::Texts(ENDED), how: How::Stall });
    torn.warehouse.let_go();
    assert!(ended.success(), "{said}");
    assert!(said.contains("the run has published, but its end is not on record"), "{said}");
    assert!(said.contains("did not take the record of the run within 5 s"), "{said}");
    assert_eq!(torn.data_version(), before + 1);
    torn.project.run_json(0, &["--env", torn.env]);
    torn.assert_whole("after a record that was not taken");
    let unended = "select count(*) from _millrace.runs where status not in ('succeeded', 'unchanged')";
    assert_eq!(torn.project.rows_in(torn.env, unended), [["0"]]);
}
