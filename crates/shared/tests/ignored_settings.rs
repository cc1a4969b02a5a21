//! Shows that each setting has a test that fails when the setting is ignored. Builds the crate once for
//! each of them, in a copy where the builder drops the value, and runs that test. Takes minutes;
//! `just settings` runs it.

mod mutated;

use mutated::{Change, Copy};

/// A setter's assignment, and the test that fails without it.
struct Setting {
    setter: &'static str,
    /// In this file of `tests`.
    file: &'static str,
    test: &'static str,
}

macro_rules! settings {
    ($($setter:literal in $file:ident :: $test:ident),* $(,)?) => {
        &[$(Setting { setter: $setter, file: stringify!($file), test: stringify!($test) }),*]
    };
}

const SETTINGS: &[Setting] = settings![
    "self.settings.limits.max_size = max_size;"
        in operations::a_limit_that_makes_no_sense_is_refused_by_name_and_changes_nothing,
    "self.settings.limits.min_idle = min_idle;"
        in settings::build_opens_min_idle_connections_and_no_more,
    "self.settings.per_use.max_idle = max_idle.into();"
        in ageing::a_connection_that_comes_back_beyond_max_idle_is_closed,
    "self.settings.max_sharing = max_sharing;"
        in sharing::sharing_starts_once_max_sharing_connections_are_shared,
    "self.settings.get_timeout = Patience::new(timeout.into());"
        in waiting::a_get_gives_up_after_get_timeout_and_not_before,
    "self.settings.limits.max_waiters = max.into();"
        in waiting::a_full_queue_is_an_error_that_names_the_limit,
    "self.settings.fair_after = fair_after;"
        in waiting::a_waiter_younger_than_fair_after_does_not_hold_up_a_running_thread,
    "self.settings.limits.connect_concurrency = dialers;"
        in dialling::no_more_dials_run_than_connect_concurrency_allows,
    "self.settings.connect_backoff = ConnectBackoff { first, longest };"
        in dialling::pauses_grow_to_the_longest_while_no_thread_waits,
    "self.settings.connect_patience = patience;"
        in dialling::a_hanging_dial_does_not_keep_others_from_dialling,
    "self.settings.ages.max_lifetime = lifetime.into();"
        in ageing::a_borrowed_connection_is_closed_on_return_when_its_lifetime_is_over,
    "self.settings.ages.lifetime_jitter = part;"
        in ageing::lifetimes_are_spread_so_that_not_all_end_together,
    "self.settings.ages.idle_timeout = timeout.into();"
        in ageing::an_idle_connection_is_closed_after_idle_timeout_and_never_early,
    "self.settings.ages.keepalive = interval.into();"
        in ageing::an_idle_connection_is_validated_at_each_keepalive,
    "self.settings.per_use.max_uses = uses.into();"
        in ageing::a_connection_is_closed_after_max_uses,
    "self.policies.validation = validation;"
        in suspicion::each_return_is_validated_with_on_return,
    "self.policies.validation_timeout = timeout.into();"
        in ageing::a_hanging_check_holds_capacity_no_longer_than_validation_timeout,
    "self.policies.reset = reset;"
        in settings::sessions_are_reset_between_users_unless_reset_is_never,
    "self.policies.hooks.on_connect = Some(Box::new(hook));"
        in hooks::hooks_are_called_once_for_each_session_each_borrower_and_each_return,
    "self.policies.hooks.on_acquire = Some(Box::new(hook));"
        in hooks::hooks_see_each_connection_at_their_moment,
    "self.policies.hooks.on_return = Some(Box::new(hook));"
        in hooks::hooks_are_called_once_for_each_session_each_borrower_and_each_return,
    "self.policies.name = Some(name.into());"
        in diagnosis::a_pools_name_is_in_its_errors_and_its_state,
    "self.policies.observer = $crate::parts::Observer::new(events);"
        in events::events_arrive_in_the_order_of_what_happened,
    "self.settings.ages.leak_threshold = threshold.into();"
        in diagnosis::a_leak_is_reported_after_leak_threshold_and_not_before,
    "self.settings.per_use.records_holders = trace;"
        in diagnosis::a_timeout_names_the_holders_when_they_are_recorded,
    "self.settings.per_use.nested_get = nested_get;"
        in diagnosis::a_deadlock_is_only_reported_with_warn_and_ignored_by_default,
    "self.settings.per_use.slow_get = wait.into();"
        in diagnosis::a_slow_get_is_reported,
    "self.settings.clock = clock;"
        in ageing::an_idle_connection_is_closed_when_its_lifetime_is_over_and_not_before,
];

/// Where the setters are, in `src`. The second file has core's `policy_setters!`.
const FILES: [&str; 2] = ["builder.rs", "../../core/src/parts/policies.rs"];

#[test]
fn the_list_has_all_settings() {
    let sources = include_str!("../src/builder.rs").to_owned()
        + include_str!("../../core/src/parts/policies.rs").split("#[cfg(test)]").next().unwrap();
    // Other methods with `mut self` have other arguments or none: `build_lazy` takes the manager.
    let setters = sources.matches("(mut self, ").count() - sources.matches("fn build_lazy").count();
    assert_eq!(SETTINGS.len(), setters, "one entry for each setter");
}

#[test]
#[ignore = "builds the crate once for each setting; `just settings` runs it"]
fn each_setting_that_is_ignored_is_noticed() {
    let name_and_test = |setting: &Setting| (setting.setter, setting.test);
    mutated::assert_each_is_noticed("ignored-settings", SETTINGS, name_and_test, try_out);
}

fn try_out(copy: &Copy, Setting { setter, file, test }: &Setting) -> Result<(), String> {
    let (_, value) = setter.split_once(" = ").expect("an assignment");
    let to = format!("drop({});", value.trim_end_matches(';'));
    let source = if setter.starts_with("self.policies") && !setter.contains("validation") {
        FILES[1]
    } else {
        FILES[0]
    };
    let change = Change { file: source, from: setter, to: &to };
    copy.with(&change, || copy.fails(&["--test", file], test, "", ""))
}
