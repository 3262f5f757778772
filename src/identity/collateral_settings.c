#include "identity/collateral_settings.h"

#include <string.h>

#include "config/schema.h"

#define PATH_MAX_SIZE 400

typedef struct raw {
    const char *dir;
    const vch_yaml_node *pccs;
    bool pcs;
    const char *ca;
    const char *store;
    int64_t refresh_h;
    int update;
} raw;

static const vch_setting table[] = {
    { .key = "dir",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, dir),
      .min = 1,
      .max = PATH_MAX_SIZE,
      .help = "a directory of collateral, or a bundle file; no network is used" },
    { .key = "pccs",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw, pccs),
      .min = 1,
      .max = VCH_COLLATERAL_URLS_MAX - 1,
      .help = "https addresses of caching services, asked in this order" },
    { .key = "pcs",
      .type = VCH_SETTING_BOOL,
      .offset = offsetof(raw, pcs),
      .fallback = "false",
      .help = "true: Intel's own service, after the others" },
    { .key = "ca",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, ca),
      .min = 1,
      .max = PATH_MAX_SIZE,
      .help = "PEM file with the roots of the caching services' TLS certificates" },
    { .key = "store",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, store),
      .min = 1,
      .max = PATH_MAX_SIZE,
      .fallback = "save/collateral.db",
      .help = "where what came from services is kept" },
    { .key = "update",
      .type = VCH_SETTING_CHOICE,
      .offset = offsetof(raw, update),
      .choices = "standard|early",
      .fallback = "standard",
      .help = "new evaluation numbers after Intel's grace period, or at once" },
    { .key = "refresh_h",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw, refresh_h),
      .min = 1,
      .max = 168,
      .fallback = "24",
      .help = "ask again after so many hours at most" },
};

static bool take_url(const vch_yaml_node *item, vch_collateral_settings *out, vch_faults *faults)
{
    const char *url = vch_yaml_string(item);
    if (url == NULL || strncmp(url, "https://", 8) != 0 || url[8] == '\0') {
        vch_faults_at(faults, item, "a collateral service's address must begin with https://");
        return false;
    }
    out->urls[out->url_count++] = url;
    return true;
}

bool vch_collateral_settings_read(const vch_yaml_node *mapping, vch_collateral_settings *out,
                                  vch_faults *faults)
{
    raw r = { 0 };
    bool good =
        vch_schema_read(mapping, "collateral", table, sizeof table / sizeof *table, &r, faults);
    if (!good)
        return false;
    *out = (vch_collateral_settings) {
        .dir = r.dir, .ca = r.ca, .store = r.store, .refresh_h = r.refresh_h, .update = r.update
    };
    for (size_t i = 0; r.pccs != NULL && i < vch_yaml_count(r.pccs); i++)
        good = take_url(vch_yaml_at(r.pccs, i), out, faults) && good;
    if (r.pcs)
        out->urls[out->url_count++] = VCH_PCS_INTEL_URL;
    if (!good)
        return false;
    if (out->dir != NULL && out->url_count > 0) {
        vch_faults_at(faults, mapping, "collateral names both a dir and services: choose one");
        return false;
    }
    if (out->dir == NULL && out->url_count == 0) {
        vch_faults_at(faults, mapping, "collateral names neither dir, nor pccs, nor pcs: true");
        return false;
    }
    return true;
}

bool vch_collateral_settings_are_there(const vch_collateral_settings *settings)
{
    return settings->dir != NULL || settings->url_count > 0;
}

vouch_code vch_collateral_settings_open(const vch_collateral_settings *s,
                                        const vch_collateral_surroundings *around,
                                        vch_collateral_cache **out, vouch_error *err)
{
    if (s->dir != NULL)
        return vch_collateral_cache_from_path(s->dir, around->pins, out, err);
    const vch_live_options options = {
        .services = { .urls = s->urls, .url_count = s->url_count, .ca_file = s->ca },
        .update = (vch_pcs_update)s->update,
        .store = s->store,
        .pins = around->pins,
        .refresh_s = s->refresh_h * 3600,
        .now_unix_s = around->now_unix_s,
        .clock = around->clock,
        .log = around->log,
    };
    return vch_collateral_cache_from_services(&options, out, err);
}
