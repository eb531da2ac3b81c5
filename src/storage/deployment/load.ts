import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type { DeploymentConfiguration } from '../../routing/config/configuration.ts'
import { pricingOf } from '../backend/pricing-columns.ts'
import type { Db } from '../database/db.ts'
import type { SecretBox } from '../secret/box.ts'
import { type Ids, amongIds, type SelectedRow } from '../database/among.ts'
import { requestRulesOf } from '../backend/request-rules.ts'

/** Deployments as they are configured; `ids` undefined: all. Throws `SecretBoxError`. */
export async function loadDeployments(
  db: Db,
  box: SecretBox,
  ids?: readonly string[],
): Promise<DeploymentConfiguration[]> {
  return (await selectDeployments(db, ids).execute()).map((row) => deploymentOf(row, box))
}

export function selectDeployments(db: Db, ids: Ids) {
  return db
    .selectFrom('deployment')
    .selectAll('deployment')
    .select((eb) =>
      jsonArrayFrom(
        eb
          .selectFrom('deployment_endpoint')
          .select(['id', 'url', 'weight', 'max_in_flight as maxInFlight', 'state'])
          .whereRef('deployment_id', '=', 'deployment.id')
          .orderBy('id'),
      ).as('endpoints'),
    )
    .where(amongIds('deployment.id', ids))
    .orderBy('id')
}

export function deploymentOf(row: SelectedRow<typeof selectDeployments>, box: SecretBox): DeploymentConfiguration {
  return {
    id: row.id,
    name: row.name,
    engine: row.engine,
    upstreamModel: row.upstream_model,
    categories: row.categories,
    pricing: pricingOf(row),
    operations: row.operations,
    contextTokens: row.context_tokens,
    requestRules: requestRulesOf(row),
    caCertificates: row.ca_certificates,
    state: row.state,
    loadBalancing: row.load_balancing,
    healthCheck: row.health_check,
    queue: { maxWaiting: row.queue_max_waiting, maxWaitMs: row.queue_max_wait_ms },
    secret: row.sealed_secret && box.open(row.sealed_secret, row.id),
    endpoints: row.endpoints,
  }
}
