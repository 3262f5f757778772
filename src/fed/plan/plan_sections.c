/*
 * The sections of a plan that are ours to read: aggregator, collaborator, network, the straggler
 * policy, and the names of the rest. Settings that are OpenFL's own and without effect here are
 * warned about; what would weaken the federation stops the start. openfl_interop.md sections 8, 9,
 * 11, 13.
 */
#include <math.h>
#include <string.h>

#include "config/schema.h"
#include "config/suggest.h"
#include "fed/plan/plan_parts.h"

/* Values of the three sections; a member that is a node is NULL if the setting is not there. */
typedef struct aggregator_values {
    const char *init, *best, *last;
    int64_t rounds, store_rounds;
    const vch_yaml_node *single_cn, *secure, *attest;
    bool write_logs, use_delta_updates;
    const vch_yaml_node *callback, *callbacks, *log_memory, *native, *persist, *persist_path,
        *group;
} aggregator_values;

typedef struct collaborator_values {
    int treatment;
    int64_t store_rounds;
    const vch_yaml_node *delta_old, *delta_new, *secure, *attest;
    const vch_yaml_node *device, *log_memory, *write_logs, *callbacks, *interop;
    const vch_yaml_node *epochs, *polling;
} collaborator_values;

typedef struct network_values {
    const char *address, *cert_folder;
    const vch_yaml_node *port, *salt, *tls, *use_tls, *disable_auth, *require_auth, *transport;
    const vch_yaml_node *atomic, *resend, *disable_tls, *single_cn;
    int64_t reconnect_s;
} network_values;

#define ANY(struct_, key_, member_)                                                                \
    {                                                                                              \
        .key = (key_), .type = VCH_SETTING_ANY, .offset = offsetof(struct_, member_)               \
    }

static const vch_setting aggregator_table[] = {
    { .key = "init_state_path",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(aggregator_values, init),
      .required = true,
      .min = 1,
      .max = 4000,
      .help = "the initial model" },
    { .key = "best_state_path",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(aggregator_values, best),
      .required = true,
      .min = 1,
      .max = 4000,
      .help = "the model with the best validation metric" },
    { .key = "last_state_path",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(aggregator_values, last),
      .required = true,
      .min = 1,
      .max = 4000,
      .help = "the model of the round before" },
    { .key = "rounds_to_train",
      .type = VCH_SETTING_INT,
      .offset = offsetof(aggregator_values, rounds),
      .min = 1,
      .max = VCH_PLAN_ROUNDS_MAX,
      .fallback = "256",
      .help = "rounds" },
    { .key = "db_store_rounds",
      .type = VCH_SETTING_INT,
      .offset = offsetof(aggregator_values, store_rounds),
      .min = 1,
      .max = VCH_PLAN_ROUNDS_MAX,
      .fallback = "1",
      .help = "rounds that are kept" },
    { .key = "write_logs",
      .type = VCH_SETTING_BOOL,
      .offset = offsetof(aggregator_values, write_logs),
      .fallback = "false",
      .help = "write metrics" },
    { .key = "use_delta_updates",
      .type = VCH_SETTING_BOOL,
      .offset = offsetof(aggregator_values, use_delta_updates),
      .fallback = "true",
      .help = "make the model of the base and a delta" },
    ANY(aggregator_values, "single_col_cert_common_name", single_cn),
    ANY(aggregator_values, "secure_aggregation", secure),
    ANY(aggregator_values, "enable_remote_attestation", attest),
    ANY(aggregator_values, "log_metric_callback", callback),
    ANY(aggregator_values, "callbacks", callbacks),
    ANY(aggregator_values, "log_memory_usage", log_memory),
    ANY(aggregator_values, "save_native_model", native),
    ANY(aggregator_values, "persist_checkpoint", persist),
    ANY(aggregator_values, "persistent_db_path", persist_path),
    ANY(aggregator_values, "task_group", group),
};

static const vch_setting collaborator_table[] = {
    { .key = "opt_treatment",
      .type = VCH_SETTING_CHOICE,
      .offset = offsetof(collaborator_values, treatment),
      .choices = "RESET|CONTINUE_LOCAL|CONTINUE_GLOBAL",
      .fallback = "RESET",
      .help = "what becomes of the optimiser's state" },
    { .key = "db_store_rounds",
      .type = VCH_SETTING_INT,
      .offset = offsetof(collaborator_values, store_rounds),
      .min = 1,
      .max = VCH_PLAN_ROUNDS_MAX,
      .fallback = "1",
      .help = "rounds that are kept" },
    ANY(collaborator_values, "delta_updates", delta_old),
    ANY(collaborator_values, "use_delta_updates", delta_new),
    ANY(collaborator_values, "secure_aggregation", secure),
    ANY(collaborator_values, "enable_remote_attestation", attest),
    ANY(collaborator_values, "device_assignment_policy", device),
    ANY(collaborator_values, "log_memory_usage", log_memory),
    ANY(collaborator_values, "write_logs", write_logs),
    ANY(collaborator_values, "callbacks", callbacks),
    ANY(collaborator_values, "interop_mode", interop),
    ANY(collaborator_values, "epochs_per_round", epochs),
    ANY(collaborator_values, "polling_interval", polling),
};

static const vch_setting network_table[] = {
    { .key = "agg_addr",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(network_values, address),
      .required = true,
      .min = 1,
      .max = 253,
      .help = "name or address of the aggregator" },
    { .key = "cert_folder",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(network_values, cert_folder),
      .min = 1,
      .max = 4000,
      .fallback = "cert",
      .help = "directory of keys and certificates" },
    { .key = "client_reconnect_interval",
      .type = VCH_SETTING_INT,
      .offset = offsetof(network_values, reconnect_s),
      .min = 1,
      .max = 3600,
      .fallback = "1",
      .help = "seconds" },
    ANY(network_values, "agg_port", port),
    ANY(network_values, "hash_salt", salt),
    ANY(network_values, "tls", tls),
    ANY(network_values, "use_tls", use_tls),
    ANY(network_values, "disable_tls", disable_tls),
    ANY(network_values, "disable_client_auth", disable_auth),
    ANY(network_values, "require_client_auth", require_auth),
    ANY(network_values, "transport_protocol", transport),
    ANY(network_values, "enable_atomic_connections", atomic),
    ANY(network_values, "single_col_cert_common_name", single_cn),
    ANY(network_values, "resend_data_on_reconnection", resend),
};

/* A flag that may be missing: `fallback` then; a value that is no flag is a fault. */
static bool flag(const vch_yaml_node *node, const char *key, bool fallback, vch_faults *faults)
{
    bool value = fallback;
    if (node != NULL && !vch_yaml_to_bool(node, &value))
        vch_faults_at(faults, node, "%s must be true or false", key);
    return value;
}

static void warn_no_effect(const vch_yaml_node *node, const char *key, vch_faults *faults)
{
    if (node != NULL && vch_yaml_kind_of(node) != VCH_YAML_NULL)
        vch_faults_warn_at(faults, node, "%s is OpenFL's own and has no effect here", key);
}

static void refuse_secure_aggregation(const vch_yaml_node *node, vch_faults *faults)
{
    if (flag(node, "secure_aggregation", false, faults))
        vch_faults_at(faults, node,
                      "secure_aggregation hides nothing from the aggregator, which rebuilds every "
                      "key; attest the aggregator instead");
}

static const char *text_or_none(const vch_yaml_node *node, const char *key, vch_faults *faults)
{
    if (node == NULL || vch_yaml_kind_of(node) == VCH_YAML_NULL)
        return "";
    const char *text = vch_yaml_string(node);
    if (text == NULL)
        vch_faults_at(faults, node, "%s must be text", key);
    return text == NULL ? "" : text;
}

/* OpenFL's collaborators read the name among the network's settings, its aggregator among its own;
 * each refuses a message that has another than it read. */
static void check_single_cn(const vch_plan *p, vch_faults *faults)
{
    static const char key[] = "single_col_cert_common_name";
    const char *name = p->view.single_col_cert_common_name;
    const vch_yaml_node *node = vch_yaml_get(vch_plan_settings(p, "aggregator"), key);
    const vch_yaml_node *clients = vch_yaml_get(vch_plan_settings(p, "network"), key);
    const char *clients_name = text_or_none(clients, key, faults);
    if (clients_name[0] != '\0' && strcmp(clients_name, name) != 0)
        vch_faults_at(faults, clients, "%s is '%s' here and '%s' in aggregator.settings", key,
                      clients_name, name);
    else if (name[0] != '\0')
        vch_faults_warn_at(
            faults, node,
            "%s: all collaborators show one certificate, so each can take part as "
            "any other%s",
            key,
            clients_name[0] != '\0'
                ? ""
                : "; OpenFL's own read the name in network.settings, where it is not");
}

static void refuse_attested_single_cn(const vch_plan *p, const char *role, const char *section,
                                      bool attested, vch_faults *faults)
{
    const vch_yaml_node *settings = vch_plan_settings(p, "aggregator");
    const vch_yaml_node *node = vch_yaml_get(settings, "single_col_cert_common_name");
    if (attested && p->view.single_col_cert_common_name[0] != '\0')
        vch_faults_at(faults, node,
                      "single_col_cert_common_name gives all collaborators one certificate; an "
                      "attested %s must know each (%s.settings.enable_remote_attestation)",
                      role, section);
}

static void refuse_attested_auto(const vch_plan *p, bool attested, vch_faults *faults)
{
    if (attested && p->view.agg_addr_was_auto)
        vch_faults_at(faults, vch_yaml_get(vch_plan_settings(p, "network"), "agg_addr"),
                      "agg_addr is auto; with an attested aggregator it must be written out, else "
                      "the host's name would choose the certificate's");
}

static void read_aggregator(vch_plan *p, vch_faults *faults)
{
    aggregator_values v = { 0 };
    vch_plan_view *view = &p->view;
    const vch_yaml_node *settings = vch_plan_settings(p, "aggregator");
    if (!vch_schema_read(settings, "aggregator.settings", aggregator_table,
                         sizeof aggregator_table / sizeof *aggregator_table, &v, faults))
        return;
    view->init_state_path = v.init;
    view->best_state_path = v.best;
    view->last_state_path = v.last;
    view->rounds = (uint32_t)v.rounds;
    view->aggregator_store_rounds = (uint32_t)v.store_rounds;
    view->write_logs = v.write_logs;
    view->model_from_delta = view->release->always_delta || v.use_delta_updates;
    view->single_col_cert_common_name =
        text_or_none(v.single_cn, "single_col_cert_common_name", faults);
    view->attest_aggregator = flag(v.attest, "enable_remote_attestation", false, faults);
    view->attest_aggregator_given = v.attest != NULL;
    refuse_secure_aggregation(v.secure, faults);
    warn_no_effect(v.callback, "log_metric_callback", faults);
    warn_no_effect(v.callbacks, "callbacks", faults);
    warn_no_effect(v.log_memory, "log_memory_usage", faults);
    warn_no_effect(v.native, "save_native_model", faults);
    warn_no_effect(v.group, "task_group", faults);
    if (v.persist != NULL && !flag(v.persist, "persist_checkpoint", true, faults))
        vch_faults_warn_at(faults, v.persist, "rounds are always journaled here");
}

/* One setting with two names. What the plan says itself holds against a default file. */
static bool delta_updates(const vch_plan *p, const collaborator_values *v, vch_faults *faults)
{
    bool old_name = flag(v->delta_old, "delta_updates", false, faults);
    bool new_name = flag(v->delta_new, "use_delta_updates", false, faults);
    if (v->delta_old == NULL || v->delta_new == NULL || old_name == new_name)
        return old_name || new_name;
    const char *plan = vch_yaml_place_of(p->root).file;
    bool old_is_ours = strcmp(vch_yaml_place_of(v->delta_old).file, plan) == 0;
    bool new_is_ours = strcmp(vch_yaml_place_of(v->delta_new).file, plan) == 0;
    if (old_is_ours && new_is_ours)
        vch_faults_at(faults, v->delta_new, "use_delta_updates contradicts delta_updates");
    return old_is_ours ? old_name : new_name;
}

void vch_plan_warn_no_optimizer(const vch_plan *p, vch_faults *faults)
{
    const vch_yaml_node *settings = vch_plan_settings(p, "collaborator");
    const vch_yaml_node *given = vch_yaml_get(settings, "opt_treatment");
    vch_faults_warn_at(faults, given,
                       "opt_treatment is CONTINUE_GLOBAL, but the initial model has no tensor "
                       "'__opt_...': an update with an optimiser's state will be refused; "
                       "`vouch plan initialize -i %s` adds it",
                       p->view.init_state_path);
}

static void read_collaborator(vch_plan *p, vch_faults *faults)
{
    collaborator_values v = { 0 };
    const vch_yaml_node *settings = vch_plan_settings(p, "collaborator");
    if (!vch_schema_read(settings, "collaborator.settings", collaborator_table,
                         sizeof collaborator_table / sizeof *collaborator_table, &v, faults))
        return;
    p->view.opt_treatment = v.treatment == 0   ? VCH_OPT_RESET
                            : v.treatment == 1 ? VCH_OPT_CONTINUE_LOCAL
                                               : VCH_OPT_CONTINUE_GLOBAL;
    p->view.collaborator_store_rounds = (uint32_t)v.store_rounds;
    p->view.delta_updates = delta_updates(p, &v, faults);
    p->view.attest_collaborator = flag(v.attest, "enable_remote_attestation", false, faults);
    p->view.attest_collaborator_given = v.attest != NULL;
    p->view.collaborator_write_logs = flag(v.write_logs, "write_logs", false, faults);
    refuse_secure_aggregation(v.secure, faults);
    warn_no_effect(v.callbacks, "callbacks", faults);
    warn_no_effect(v.log_memory, "log_memory_usage", faults);
    warn_no_effect(v.epochs, "epochs_per_round", faults);
    warn_no_effect(v.polling, "polling_interval", faults);
    if (flag(v.interop, "interop_mode", false, faults))
        vch_faults_at(faults, v.interop, "interop_mode (Flower) is not served here");
}

static void read_port(vch_plan *p, vch_faults *faults)
{
    /* Of the resolved plan: there `auto` has become a number. */
    const vch_yaml_node *network = vch_yaml_get(p->resolved, "network");
    const vch_yaml_node *node = vch_yaml_get(vch_yaml_get(network, "settings"), "agg_port");
    const vch_yaml_node *written = vch_yaml_get(vch_plan_settings(p, "network"), "agg_port");
    int64_t port = 0;
    if (node == NULL)
        vch_faults_at(faults, network, "network.settings.agg_port is missing");
    else if (!vch_yaml_to_int(node, &port) || port < 1 || port > 65535)
        vch_faults_at(faults, written, "agg_port must be auto or a number from 1 to 65535");
    else
        p->view.agg_port = (uint16_t)port;
}

static void refuse_open_network(const network_values *v, vch_faults *faults)
{
    static const char why[] = "every peer is known by its certificate here";
    if (!flag(v->tls, "tls", true, faults))
        vch_faults_at(faults, v->tls, "tls is false; %s", why);
    if (!flag(v->use_tls, "use_tls", true, faults))
        vch_faults_at(faults, v->use_tls, "use_tls is false; %s", why);
    if (flag(v->disable_tls, "disable_tls", false, faults))
        vch_faults_at(faults, v->disable_tls, "disable_tls is true; %s", why);
    if (flag(v->disable_auth, "disable_client_auth", false, faults))
        vch_faults_at(faults, v->disable_auth, "disable_client_auth is true; %s", why);
    if (!flag(v->require_auth, "require_client_auth", true, faults))
        vch_faults_at(faults, v->require_auth, "require_client_auth is false; %s", why);
    const char *transport = v->transport == NULL ? "grpc" : vch_yaml_string(v->transport);
    if (transport == NULL || strcmp(transport, "grpc") != 0)
        vch_faults_at(faults, v->transport, "transport_protocol must be grpc");
}

static void read_network(vch_plan *p, vch_faults *faults)
{
    network_values v = { 0 };
    const vch_yaml_node *network = vch_yaml_get(p->resolved, "network");
    const vch_yaml_node *settings = vch_plan_settings(p, "network");
    if (!vch_schema_read(settings, "network.settings", network_table,
                         sizeof network_table / sizeof *network_table, &v, faults))
        return;
    p->view.agg_addr = vch_yaml_string(vch_yaml_get(vch_yaml_get(network, "settings"), "agg_addr"));
    p->view.cert_folder = v.cert_folder;
    p->view.reconnect_s = (uint32_t)v.reconnect_s;
    warn_no_effect(v.resend, "resend_data_on_reconnection", faults);
    read_port(p, faults);
    refuse_open_network(&v, faults);
}

/* Both generations of class names. */
static const struct {
    const char *name;
    vch_straggler policy;
} straggler_classes[] = {
    { "CutoffTimeBasedStragglerHandling", VCH_STRAGGLER_CUTOFF_TIME },
    { "PercentageBasedStragglerHandling", VCH_STRAGGLER_PERCENTAGE },
    { "CutoffTimePolicy", VCH_STRAGGLER_CUTOFF_TIME },
    { "PercentagePolicy", VCH_STRAGGLER_PERCENTAGE },
    { "WaitForAllPolicy", VCH_STRAGGLER_WAIT_FOR_ALL },
};

typedef struct straggler_values {
    double cutoff_s, percent;
    int64_t minimum;
    const vch_yaml_node *start;
} straggler_values;

static const vch_setting straggler_table[] = {
    { .key = "straggler_cutoff_time",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(straggler_values, cutoff_s),
      .min = 0,
      .max = INT64_MAX,
      .help = "seconds after the round's first tasks; .inf: never" },
    { .key = "percent_collaborators_needed",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(straggler_values, percent),
      .min = 0,
      .max = 1,
      .fallback = "1.0",
      .help = "share of the collaborators that must be done" },
    { .key = "minimum_reporting",
      .type = VCH_SETTING_INT,
      .offset = offsetof(straggler_values, minimum),
      .min = 1,
      .max = VCH_PLAN_MEMBER_MAX,
      .fallback = "1",
      .help = "collaborators that must be done" },
    ANY(straggler_values, "round_start_time", start),
};

static void read_straggler(vch_plan *p, vch_faults *faults)
{
    static const char section[] = "straggler_handling_policy";
    straggler_values v = { .cutoff_s = INFINITY };
    const vch_yaml_node *node = vch_yaml_get(p->root, section);
    vch_plan_straggler *out = &p->view.straggler;
    *out = (vch_plan_straggler) { .policy = VCH_STRAGGLER_WAIT_FOR_ALL,
                                  .cutoff_s = INFINITY,
                                  .minimum_reporting = 1,
                                  .percent_needed = 1.0 };
    if (node == NULL || vch_plan_settings(p, section) == NULL)
        return; /* absent, or no mapping, which is a fault already */
    const char *name = vch_plan_template(p, section);
    vch_straggler policy = 0;
    for (size_t i = 0; i < sizeof straggler_classes / sizeof *straggler_classes; i++) {
        if (name != NULL && strcmp(vch_plan_class(name), straggler_classes[i].name) == 0)
            policy = straggler_classes[i].policy;
    }
    if (policy == 0)
        vch_faults_at(faults, node, "no straggler policy '%s' is built in",
                      name == NULL ? "" : name);
    if (!vch_schema_read(vch_plan_settings(p, section), "straggler_handling_policy.settings",
                         straggler_table, sizeof straggler_table / sizeof *straggler_table, &v,
                         faults)
        || policy == 0)
        return;
    out->policy = policy;
    out->cutoff_s = v.cutoff_s;
    out->minimum_reporting = (uint32_t)v.minimum;
    out->percent_needed = v.percent;
}

static void check_sections(const vch_plan *p, vch_faults *faults)
{
    static const char *const known[] = { "aggregator",
                                         "collaborator",
                                         "data_loader",
                                         "task_runner",
                                         "network",
                                         "assigner",
                                         "tasks",
                                         "compression_pipeline",
                                         "straggler_handling_policy",
                                         "api_layer",
                                         "connector",
                                         "limits" };
    static const size_t required_count = 7; /* the first of `known` */
    size_t known_count = sizeof known / sizeof *known;
    for (size_t i = 0; i < required_count; i++) {
        if (vch_yaml_get(p->root, known[i]) == NULL)
            vch_faults_add(faults, false, vch_yaml_place_of(p->root).file, 0, 0,
                           "section '%s' is missing", known[i]);
    }
    for (size_t i = 0; i < vch_yaml_count(p->root); i++) {
        const char *name = vch_yaml_string(vch_yaml_key_at(p->root, i));
        const vch_yaml_node *section = vch_yaml_at(p->root, i);
        size_t k = 0;
        while (k < known_count && strcmp(known[k], name) != 0)
            k++;
        const char *near = vch_suggest(name, known, known_count);
        if (k == known_count)
            vch_faults_at(faults, section, "unknown section '%s'%s%s%s", name,
                          near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
                          near == NULL ? "" : "'?)");
        else if (strcmp(name, "connector") == 0)
            vch_faults_at(faults, section, "a connector (Flower) is not served here");
        else if (strcmp(name, "api_layer") == 0)
            vch_faults_warn_at(faults, section, "api_layer is OpenFL's own and has no effect here");
    }
}

vouch_code vch_plan_read_sections(vch_plan *p, vch_faults *faults, vouch_error *err)
{
    (void)err;
    vch_plan_view *view = &p->view;
    view->single_col_cert_common_name = "";
    check_sections(p, faults);
    if (vch_plan_settings(p, "aggregator") != NULL)
        read_aggregator(p, faults);
    if (vch_plan_settings(p, "collaborator") != NULL)
        read_collaborator(p, faults);
    if (vch_plan_settings(p, "network") != NULL)
        read_network(p, faults);
    read_straggler(p, faults);
    view->task_runner_template = vch_plan_template(p, "task_runner");
    view->task_runner = vch_plan_settings(p, "task_runner");
    view->data_loader_template = vch_plan_template(p, "data_loader");
    view->data_loader = vch_plan_settings(p, "data_loader");
    vch_plan_read_pipeline(p, faults);
    vch_plan_read_limits(p, faults);
    refuse_attested_single_cn(p, "aggregator", "aggregator", view->attest_aggregator, faults);
    refuse_attested_single_cn(p, "collaborator", "collaborator", view->attest_collaborator, faults);
    check_single_cn(p, faults);
    refuse_attested_auto(p, view->attest_aggregator, faults);
    return VOUCH_OK;
}

static void check_agreement(const vch_plan *p, const char *section, bool given, bool plan,
                            const bool *enabled, vch_faults *faults)
{
    const vch_yaml_node *node =
        vch_yaml_get(vch_plan_settings(p, section), "enable_remote_attestation");
    if (given && plan && enabled == NULL)
        vch_faults_at(faults, node,
                      "enable_remote_attestation is true, but plan/attestation.yaml is missing: "
                      "participants, measurements and the verifier stand there");
    else if (given && enabled != NULL && plan != *enabled)
        vch_faults_at(faults, node, "enable_remote_attestation is %s, attestation.yaml says %s",
                      plan ? "true" : "false", *enabled ? "true" : "false");
}

static void refuse_pinned_single_cn(const vch_plan *p, vch_faults *faults)
{
    const vch_yaml_node *node =
        vch_yaml_get(vch_plan_settings(p, "aggregator"), "single_col_cert_common_name");
    if (p->view.single_col_cert_common_name[0] != '\0')
        vch_faults_at(faults, node,
                      "single_col_cert_common_name gives all collaborators one certificate; "
                      "attestation.yaml pins a key to each name");
}

vouch_code vch_plan_check_attested(const vch_plan *p, const vch_plan_attested *said,
                                   vch_faults *faults, vouch_error *err)
{
    const vch_plan_view *v = &p->view;
    check_agreement(p, "aggregator", v->attest_aggregator_given, v->attest_aggregator,
                    said == NULL ? NULL : &said->aggregator, faults);
    check_agreement(p, "collaborator", v->attest_collaborator_given, v->attest_collaborator,
                    said == NULL ? NULL : &said->collaborator, faults);
    if (said != NULL)
        refuse_pinned_single_cn(p, faults);
    refuse_attested_auto(p, said != NULL && said->aggregator, faults);
    return vch_faults_check(faults, err);
}
