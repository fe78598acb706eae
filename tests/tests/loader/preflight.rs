//! What `check` says about a target, and that its remedies mend it.

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{ColumnType, DatabaseUrl, Fault, Finding, Load, Verdict};
use otter_server::sandbox::Flavor;
use otter_sink::DdlPolicies;
use otter_sink::preflight::{CopyCheck, Marks, TargetCheck, check_target};
use otter_sink::{MySqlLoadError, MySqlLoader};

use crate::place::Place;
use crate::source::{INT, Source, insert, pair, table};

async fn check(
    place: &Place,
    url: &DatabaseUrl,
    tables: &[std::sync::Arc<otter_core::Table>],
) -> Vec<Finding> {
    let check = TargetCheck {
        on_poison: otter_sink::OnPoison::Halt,
        url,
        schema: &place.schema,
        tables,
        marks: Marks::Read,
        ddl: DdlPolicies::default(),
        copy: CopyCheck::No,
    };
    check_target(&check).await
}

fn bad(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.verdict != Verdict::Pass).collect()
}

/// An account without rights, and its URL.
async fn account(place: &Place) -> (String, DatabaseUrl) {
    let name = format!("writer_{}", place.database);
    place.execute(&format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'pw'")).await;
    (name.clone(), place.server.url_as(&name, "pw").parse().unwrap())
}

on_both! {
    async fn a_target_that_is_right_passes_and_nothing_is_changed(place: Place) {
        let pairs = place.pairs().await;
        let findings = check(&place, &place.url(), &[pairs]).await;
        assert_eq!(bad(&findings), Vec::<&Finding>::new());
        let schemas = place.texts("SHOW DATABASES LIKE '{otter}'").await;
        assert_eq!(schemas, Vec::<Vec<String>>::new());
    }

    async fn cascades_of_mysqls_sql_layer_are_warned_of(place: Place) {
        let pairs = place.pairs().await;
        place
            .execute(
                "CREATE TABLE child (id INT PRIMARY KEY, p INT, \
                 FOREIGN KEY (p) REFERENCES pair (id) ON DELETE CASCADE)",
            )
            .await;
        let findings = check(&place, &place.url(), &[pairs]).await;
        let warned = bad(&findings).into_iter().map(|finding| {
            let names_it = finding.detail.contains(&format!("1 tables: {}.pair", place.database));
            (finding.verdict, names_it, finding.remedy.clone().unwrap_or_default())
        });
        let warned: Vec<_> = warned.collect();
        if place.flavor == Flavor::MariaDb {
            assert!(warned.is_empty(), "{findings:?}");
        } else {
            assert_eq!((warned.len(), warned[0].0, warned[0].1), (1, Verdict::Warn, true));
            assert!(warned[0].2.contains("innodb_native_foreign_keys=ON"), "{findings:?}");
        }
    }

    async fn each_table_that_cannot_take_the_rows_is_named_with_its_remedy(place: Place) {
        place
            .execute(
                "CREATE TABLE flat (id INT PRIMARY KEY) ENGINE = MyISAM;
                 CREATE TABLE bag (id INT);
                 CREATE TABLE coarse (id INT PRIMARY KEY, at DATETIME(0));
                 CREATE TABLE alive (id INT PRIMARY KEY);
                 CREATE TRIGGER grow AFTER INSERT ON alive FOR EACH ROW INSERT INTO bag VALUES (1)",
            )
            .await;
        let of = |name: &str| table(&place.database, name, &[("id", INT)]);
        let fine = ColumnType::DateTime { digits: 6 };
        let coarse = table(&place.database, "coarse", &[("id", INT), ("at", fine)]);
        let tables = [of("flat"), of("bag"), coarse, of("alive"), of("gone")];
        let findings = check(&place, &place.url(), &tables).await;
        let remedies: Vec<(Verdict, &str)> = bad(&findings)
            .into_iter()
            .map(|finding| (finding.verdict, finding.remedy.as_deref().unwrap()))
            .collect();
        let db = &place.database;
        let expected = [
            (Verdict::Fail, format!("ALTER TABLE `{db}`.`flat` ENGINE=InnoDB")),
            (Verdict::Warn, format!("ALTER TABLE `{db}`.`bag` ADD PRIMARY KEY (…)")),
            (Verdict::Fail, format!("ALTER TABLE `{db}`.`coarse` MODIFY COLUMN `at` datetime(6) NULL")),
            (Verdict::Fail, format!("DROP TRIGGER `{db}`.`grow`")),
        ];
        for (found, expected) in remedies.iter().zip(&expected) {
            assert_eq!((found.0, found.1), (expected.0, expected.1.as_str()));
        }
        assert_eq!(remedies.len(), 5);
        assert!(remedies[4].1.starts_with("create it"));
    }

    async fn missing_rights_are_named_and_the_remedies_mend_them(place: Place) {
        let pairs = place.pairs().await;
        let (name, url) = account(&place).await;
        place.execute(&format!("GRANT SELECT ON pair TO {name}@'127.0.0.1'")).await;
        for _ in 0..2 {
            let findings = check(&place, &url, std::slice::from_ref(&pairs)).await;
            for finding in bad(&findings) {
                let remedy = finding.remedy.as_deref().unwrap();
                place.execute(remedy).await;
            }
        }
        let findings = check(&place, &url, std::slice::from_ref(&pairs)).await;
        assert_eq!(bad(&findings), Vec::<&Finding>::new());
        let mut source = Source::new();
        let loader = MySqlLoader::new(pipeline(), url, place.options());
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&source.position(), &lease(1)).await.unwrap();
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let _ = loader.load(batch, &lease(1)).await.unwrap();
        // A successor of the same account may end this one's connection.
        let url = place.server.url_as(&name, "pw").parse().unwrap();
        let successor = MySqlLoader::new(pipeline(), url, place.options());
        assert_eq!(successor.resume(&lease(2)).await.unwrap(), Some(source.position()));
        successor.close().await;
    }

    async fn a_loader_without_rights_says_which_statements_mend_it(place: Place) {
        let pairs = place.pairs().await;
        let (_, url) = account(&place).await;
        let loader = MySqlLoader::new(pipeline(), url, place.options());
        let error = loader.resume(&lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        let Some(MySqlLoadError::MissingRight { remedy, .. }) = error.cause() else {
            panic!("{error}")
        };
        place.execute(remedy).await;
        let mut source = Source::new();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&source.position(), &lease(1)).await.unwrap();
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("may not see it"), "{error}");
    }

    async fn a_predecessor_of_another_account_needs_a_right_to_be_ended(place: Place) {
        let source = Source::new();
        let first = place.begun(&source).await;
        let (name, url) = account(&place).await;
        let schema = &place.schema;
        place
            .execute(&format!("GRANT SELECT, INSERT, UPDATE ON {schema}.* TO {name}@'127.0.0.1'"))
            .await;
        let successor = MySqlLoader::new(pipeline(), url, place.options());
        let error = successor.resume(&lease(2)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        let Some(MySqlLoadError::MissingRight { number: 1095, remedy }) = error.cause() else {
            panic!("{error}")
        };
        place.execute(remedy).await;
        // MySQL: an account with SYSTEM_USER, such as root, is ended by its like only.
        place.execute(&system_user(&place, &name)).await;
        assert_eq!(successor.resume(&lease(2)).await.unwrap(), Some(source.position()));
        successor.close().await;
        first.close().await;
    }

    async fn a_server_that_is_not_there_is_one_finding(place: Place) {
        let url: DatabaseUrl = "mysql://otter:sekret@127.0.0.1:1".parse().unwrap();
        let findings = check(&place, &url, &[]).await;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].verdict, Verdict::Fail);
        assert!(!format!("{findings:?}").contains("sekret"));
        let loader = MySqlLoader::new(pipeline(), url, place.options());
        let error = loader.resume(&lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        let wrong: DatabaseUrl = place.server.url_as("nobody", "sekret").parse().unwrap();
        let loader = MySqlLoader::new(pipeline(), wrong, place.options());
        let error = loader.resume(&lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(!error.to_string().contains("sekret"), "{error}");
    }
}

fn system_user(place: &Place, name: &str) -> String {
    match place.flavor {
        otter_server::sandbox::Flavor::MySql => {
            format!("GRANT SYSTEM_USER ON *.* TO {name}@'127.0.0.1'")
        }
        otter_server::sandbox::Flavor::MariaDb => "DO 1".to_owned(),
    }
}
