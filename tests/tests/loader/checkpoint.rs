//! Checkpoints in an operator's hands.

use otter_core::testkit::lease::{lease, lease_from, pipeline};
use otter_core::{ArbiterId, Fault, Lease, Load, PipelineId, Side, Term};
use otter_sink::{MySqlLoader, checkpoint};

use crate::place::Place;
use crate::source::{Source, insert, pair};

on_both! {
    async fn pipelines_that_begin_at_once_do_not_stop_each_other(place: Place) {
        for round in 0..10 {
            let begin = (0..12).map(|number| {
                let id = PipelineId::new(format!("round {round} number {number}"));
                let lease =
                    Lease::for_ever(ArbiterId::new("ours"), Side::target(id.clone()), Term(1));
                let loader = MySqlLoader::new(id, place.url(), place.options());
                async move {
                    let found = loader.resume(&lease).await;
                    loader.close().await;
                    found
                }
            });
            for found in futures::future::join_all(begin).await {
                assert_eq!(found.unwrap(), None);
            }
        }
    }

    async fn a_checkpoint_tells_who_wrote_it_and_how_far(place: Place) {
        let url = place.url();
        assert_eq!(checkpoint::read(&url, &place.schema, &pipeline()).await.unwrap(), None);
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![insert(&pairs, &[pair(1, 1)])];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        let seen = checkpoint::read(&url, &place.schema, &pipeline()).await.unwrap().unwrap();
        assert_eq!((seen.arbiter.as_str(), seen.term, seen.sequence), ("suite", Term(1), 2));
        assert_eq!(seen.position, Some(source.position()));
        assert_eq!(seen.source_time.as_deref(), Some("2023-11-14 22:13:20.123456"));
        loader.close().await;
    }

    async fn another_arbiter_needs_to_adopt_the_checkpoint(place: Place) {
        let source = Source::new();
        place.begun(&source).await.close().await;
        let loader = place.loader();
        let error = loader.resume(&lease_from("ensemble", 1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(error.to_string().contains("position adopt -c FILE suite"), "{error}");
        let ensemble = ArbiterId::new("ensemble");
        let adopted =
            checkpoint::adopt(&place.url(), &place.schema, &pipeline(), &ensemble).await.unwrap();
        assert_eq!(adopted.position, Some(source.position()));
        let position = loader.resume(&lease_from("ensemble", 1)).await.unwrap();
        assert_eq!(position, Some(source.position()));
        let error = place.loader().resume(&lease(9)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        loader.close().await;
    }

    async fn a_checkpoint_of_a_newer_version_is_left_alone(place: Place) {
        let source = Source::new();
        place.begun(&source).await.close().await;
        place.execute(&format!("UPDATE {}.checkpoint SET format = 2", place.schema)).await;
        let error = place.loader().resume(&lease(2)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}
