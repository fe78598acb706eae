//! The schema log in the target.

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{Fault, FilePlace, Load, PipelineId, Place as At, SchemaLog, SchemaRecord};
use otter_sink::{TargetSchemaLog, checkpoint};

use crate::place::Place;
use crate::source::Source;

fn log(place: &Place, pipeline: PipelineId) -> TargetSchemaLog {
    TargetSchemaLog::new(place.url(), &place.schema, pipeline)
}

fn record(number: u64, text: &str) -> SchemaRecord {
    let file = FilePlace::new("binlog.000001", 100 * number);
    let gtids = format!("0-1-{number}").parse().unwrap();
    let place = At { gtids: Some(gtids), file: Some(file), last: None };
    SchemaRecord { number, place, text: text.into() }
}

on_both! {
    async fn records_come_back_as_they_were_and_in_order(place: Place) {
        let log = log(&place, pipeline());
        assert_eq!(log.load().await.unwrap(), [], "nothing is there before the first");
        // Longer than a packet of a server with small ones, and full of what is escaped.
        let long = r"it's a \backslash\ \0 é 😀".repeat(40_000);
        let first = record(7, &long);
        log.restart(&first).await.unwrap();
        let more = [record(8, ""), record(9, "otter-ddl 1\tCREATE TABLE `a`")];
        log.append(&more).await.unwrap();
        let [eight, nine] = more.clone();
        assert_eq!(log.load().await.unwrap(), [first.clone(), eight.clone(), nine]);
        log.cut(8).await.unwrap();
        assert_eq!(log.load().await.unwrap(), [first, eight]);
        log.restart(&record(10, "snapshot")).await.unwrap();
        assert_eq!(log.load().await.unwrap(), [record(10, "snapshot")]);
    }

    async fn the_same_record_twice_is_no_error_and_another_one_is_transient(place: Place) {
        let log = log(&place, pipeline());
        log.append(&[record(1, "a"), record(2, "b")]).await.unwrap();
        log.append(&[record(2, "b"), record(3, "c")]).await.unwrap();
        let error = log.append(&[record(3, "d"), record(4, "e")]).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        assert_eq!(log.load().await.unwrap(), [record(1, "a"), record(2, "b"), record(3, "c")]);
    }

    async fn pipelines_have_logs_of_their_own(place: Place) {
        let (ours, theirs) = (log(&place, pipeline()), log(&place, PipelineId::new("other")));
        ours.append(&[record(1, "ours")]).await.unwrap();
        theirs.append(&[record(1, "theirs")]).await.unwrap();
        theirs.cut(0).await.unwrap();
        assert_eq!(ours.load().await.unwrap(), [record(1, "ours")]);
        assert_eq!(theirs.load().await.unwrap(), []);
    }

    /// Schema changes before a position that was not reached by reading are in no log.
    async fn a_pipeline_that_is_begun_or_moved_has_an_empty_log(place: Place) {
        let log = log(&place, pipeline());
        log.append(&[record(1, "of an earlier pipeline")]).await.unwrap();
        let source = Source::new();
        place.begun(&source).await.close().await;
        assert_eq!(log.load().await.unwrap(), []);

        log.append(&[record(1, "of this one")]).await.unwrap();
        let loader = place.loader();
        loader.resume(&lease(2)).await.unwrap();
        loader.close().await;
        assert_eq!(log.load().await.unwrap().len(), 1, "a restart keeps it");
        let position = source.position();
        checkpoint::set_position(&place.url(), &place.schema, &pipeline(), &position)
            .await
            .unwrap();
        assert_eq!(log.load().await.unwrap(), []);
    }

    async fn a_log_that_was_changed_by_hand_is_refused_with_the_remedy(place: Place) {
        let log = log(&place, pipeline());
        log.append(&[record(1, "a")]).await.unwrap();
        place.execute(&format!("UPDATE {}.schema_log SET piece = 1", place.schema)).await;
        let error = log.load().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(error.to_string().contains("delete the pipeline's rows of schema_log"), "{error}");
    }
}
