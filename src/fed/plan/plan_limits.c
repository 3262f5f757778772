/*
 * The section `limits`, which is Vouch's own: what an update may be. OpenFL does not look at it, but
 * hashes it, so that everybody knows the limits that hold.
 */
#include <float.h>
#include <math.h>

#include "config/schema.h"
#include "fed/plan/plan_parts.h"

typedef struct values {
    double value_max, update_norm_max;
    int64_t data_size_max;
} values;

static const vch_setting table[] = {
    { .key = "value_max",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(values, value_max),
      .max = INT64_MAX,
      .help = "magnitude that a value may have, with its base where it is a delta" },
    { .key = "update_norm_max",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(values, update_norm_max),
      .max = INT64_MAX,
      .help = "Euclidean norm of all values of an update together, as they are sent: of the "
              "differences with delta updates, else of the weights" },
    { .key = "data_size_max",
      .type = VCH_SETTING_INT,
      .offset = offsetof(values, data_size_max),
      .min = 1,
      .max = INT32_MAX,
      .help = "samples that a collaborator may say it has, its weight in the mean" },
};

void vch_plan_read_limits(vch_plan *p, vch_faults *faults)
{
    vch_plan_limits *out = &p->view.limits;
    values v = { .value_max = VCH_PLAN_VALUE_MAX,
                 .update_norm_max = (double)INFINITY,
                 .data_size_max = INT32_MAX };
    const vch_yaml_node *section = vch_plan_settings(p, "limits");
    bool good = section == NULL
                || vch_schema_read(section, "limits.settings", table, sizeof table / sizeof *table,
                                   &v, faults);
    if (good && !(v.value_max > 0 && v.update_norm_max > 0))
        vch_faults_at(faults, section, "a limit of 0 would refuse every update");
    *out = (vch_plan_limits) { .value_max = (float)fmin(v.value_max, VCH_PLAN_VALUE_MAX),
                               .update_norm_max = v.update_norm_max,
                               .data_size_max = (int32_t)v.data_size_max };
}
