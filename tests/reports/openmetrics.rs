//! The text of OpenMetrics: read by the rules of the format, and compared with the numbers.

use crate::common::hangs::without_hanging;
use crate::common::openmetrics::read;
use crate::common::polls::wait_until;
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use spinney::compat::openmetrics::Exporter;
use spinney::{GroupBuilder, Runtime, group, yield_now};

fn runtime(name: &str) -> Runtime {
    let builder = Runtime::builder().workers(2).thread_name(name);
    builder.build().unwrap()
}

#[test]
fn the_text_says_what_the_numbers_say() {
    without_hanging(|| {
        let runtime = runtime("api");
        let odd = GroupBuilder::<&str>::new().name("a \"name\"\nof two lines\\");
        let _ = runtime.block_on(odd.run(async |g| {
            for _ in 0..5_000 {
                g.spawn(async {
                    yield_now().await;
                    Ok(())
                });
            }
            Err::<(), _>("no")
        }));
        runtime.block_on(group(async |g| g.spawn(async {}).await));
        let samples = read(&Exporter::new(&runtime).text());
        let now = runtime.statistics();
        let workers = r#"spinney_workers_count{runtime="api"}"#;
        assert_eq!(samples[workers], 2.0);
        let jobs = |worker| {
            samples[&format!(r#"spinney_worker_jobs_total{{runtime="api",worker="{worker}"}}"#)]
        };
        assert_eq!(
            jobs("0") + jobs("1") + jobs("others"),
            now.totals.jobs as f64
        );
        let failed =
            r#"spinney_group_failed_total{runtime="api",group="a \"name\"\nof two lines\\"}"#;
        assert_eq!(samples[failed], 1.0, "{samples:?}");
        // Of a histogram each bucket has all that are shorter.
        for (name, histogram) in [
            ("poll_time", &now.poll_time),
            ("schedule_latency", &now.schedule_latency),
        ] {
            assert!(histogram.count() > 10);
            let name = format!("spinney_{name}_seconds");
            let count = histogram.count() as f64;
            assert_eq!(samples[&format!(r#"{name}_count{{runtime="api"}}"#)], count);
            let sum = histogram.total().as_secs_f64();
            assert_eq!(samples[&format!(r#"{name}_sum{{runtime="api"}}"#)], sum);
            let mut buckets: Vec<(f64, f64)> = samples
                .iter()
                .filter(|(series, _)| series.starts_with(&format!("{name}_bucket")))
                .map(|(series, value)| {
                    let le = series
                        .split("le=\"")
                        .nth(1)
                        .unwrap()
                        .split('"')
                        .next()
                        .unwrap();
                    (le.replace("+Inf", "inf").parse().unwrap(), *value)
                })
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by_key(|bucket| bucket.1), "{buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)));
            for (end, below) in buckets {
                let buckets = histogram.buckets();
                let shorter = buckets.filter(|(range, _)| range.end.as_secs_f64() <= end);
                assert_eq!(
                    shorter.map(|(_, count)| count).sum::<u64>() as f64,
                    below,
                    "{end}"
                );
            }
        }
    });
}

#[test]
fn several_runtimes_are_told_apart() {
    without_hanging(|| {
        let (front, back) = (runtime("front"), runtime("back"));
        let both = Exporter::new(&front).with(&back).unwrap();
        let samples = read(&both.text());
        for name in ["front", "back"] {
            assert_eq!(
                samples[&format!(r#"spinney_live_groups{{runtime="{name}"}}"#)],
                0.0
            );
        }
        // One that is gone is left out: when its last thread has let it go.
        drop(back);
        wait_until(|| {
            let samples = read(&both.text());
            samples.keys().all(|series| !series.contains("back"))
        });
        let clash = both.with(&runtime("front")).unwrap_err();
        assert_eq!(clash.name(), "front");
    });
}

/// As `Runtime::statistics` does.
#[test]
fn the_groups_in_which_it_is_asked_for_are_counted() {
    without_hanging(|| {
        let runtime = runtime("api");
        let exporter = Exporter::new(&runtime);
        let text = runtime.block_on(group(async |_| group(async |_| exporter.text()).await));
        let samples = read(&text);
        assert_eq!(samples[r#"spinney_live_groups{runtime="api"}"#], 2.0);
    });
}

#[test]
fn names_that_clash_are_refused() {
    without_hanging(|| {
        let runtime = runtime("api");
        // Of a whole registry, and of one inside another, which puts a prefix in front.
        let mut whole = Registry::default();
        let mut with_prefix = Registry::default();
        let inside = with_prefix.sub_registry_with_prefix("shop");
        for registry in [&mut whole, inside] {
            registry.register("orders", "Orders", ConstGauge::new(1_u64));
            Exporter::new(&runtime).register(registry).unwrap();
            let clash = Exporter::new(&runtime).register(registry).unwrap_err();
            assert!(clash.name().ends_with("spinney_workers_count"), "{clash}");
            assert!(clash.to_string().contains(clash.name()));
        }
        let mut text = String::new();
        text::encode(&mut text, &with_prefix).unwrap();
        assert!(text.contains("\nshop_spinney_live_groups{"));
        assert!(text.contains("\nshop_orders 1\n"));
        let mut taken = Registry::default();
        taken.register("spinney_cut_tasks", "Mine", ConstGauge::new(1_u64));
        let clash = Exporter::new(&runtime).register(&mut taken).unwrap_err();
        assert_eq!(clash.name(), "spinney_cut_tasks");
    });
}
