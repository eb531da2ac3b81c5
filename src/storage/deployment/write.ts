import type { DeploymentConfiguration } from '../../routing/config/configuration.ts'
import { pricingColumns } from '../backend/pricing-columns.ts'
import { loadDeployments } from './load.ts'
import type { RequestRulesColumns } from '../backend/tables.ts'
import type { Tx } from '../database/db.ts'
import { isRef, type Ref } from '../database/ref.ts'
import type { SecretBox } from '../secret/box.ts'

/** What an operator can change of a deployment. */
export interface DeploymentDraft extends DeploymentConfiguration {
  readonly revision: number
  readonly description: string
  readonly secretHint: string | null
}

/** The deployment, locked until the end of the transaction. */
export async function findDeploymentForUpdate(tx: Tx, box: SecretBox, ref: Ref): Promise<DeploymentDraft | undefined> {
  const row = await tx
    .selectFrom('deployment')
    .select(['id', 'revision', 'description', 'secret_hint'])
    .where(isRef(ref))
    .forUpdate()
    .executeTakeFirst()
  if (!row) return undefined
  const [configuration] = await loadDeployments(tx, box, [row.id])
  return (
    configuration && {
      ...configuration,
      revision: row.revision,
      description: row.description,
      secretHint: row.secret_hint,
    }
  )
}

/** The id of the deployment that an endpoint belongs to. */
export async function findDeploymentIdOfEndpoint(tx: Tx, endpointId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('deployment_endpoint')
    .select('deployment_id')
    .where('id', '=', endpointId)
    .executeTakeFirst()
  return row?.deployment_id
}

/** Writes a new deployment. */
export async function insertDeployment(tx: Tx, box: SecretBox, draft: DeploymentDraft): Promise<void> {
  await tx
    .insertInto('deployment')
    .values({ id: draft.id, ...columnsOf(draft), ...sealedColumns(box, draft) })
    .execute()
  await insertEndpoints(tx, draft.id, draft.endpoints)
}

/** Writes the deployment as `after` says, as its next revision. */
export async function updateDeployment(
  tx: Tx,
  box: SecretBox,
  before: DeploymentDraft,
  after: DeploymentDraft,
): Promise<void> {
  await tx
    .updateTable('deployment')
    .set((eb) => ({
      ...columnsOf(after),
      ...(before.secret === after.secret ? {} : sealedColumns(box, after)),
      revision: eb('revision', '+', 1),
      updated_at: eb.fn('clock_timestamp'),
    }))
    .where('id', '=', before.id)
    .execute()
  await updateEndpoints(tx, before, after)
}

/** Deletes a deployment with its endpoints. Fails while a route uses it. */
export async function deleteDeployment(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('deployment').where('id', '=', id).execute()
}

function columnsOf(draft: DeploymentDraft) {
  return {
    name: draft.name,
    description: draft.description,
    engine: draft.engine,
    upstream_model: draft.upstreamModel,
    categories: [...draft.categories],
    ...pricingColumns(draft.pricing),
    operations: draft.operations && [...draft.operations],
    context_tokens: draft.contextTokens,
    ...requestRulesColumns(draft),
    state: draft.state,
    load_balancing: draft.loadBalancing,
    health_check: draft.healthCheck && JSON.stringify(draft.healthCheck),
    queue_max_waiting: draft.queue.maxWaiting,
    queue_max_wait_ms: draft.queue.maxWaitMs,
  }
}

/** The columns of a backend's request rules and trusted certificates. */
export function requestRulesColumns({
  requestRules,
  caCertificates,
}: Pick<DeploymentConfiguration, 'requestRules' | 'caCertificates'>): RequestRulesColumns {
  return {
    pass_headers: [...requestRules.passHeaders],
    pass_response_headers: [...requestRules.passResponseHeaders],
    add_stream_usage: requestRules.addStreamUsage,
    ca_certificates: caCertificates,
  }
}

function sealedColumns(box: SecretBox, { id, secret, secretHint }: DeploymentDraft) {
  return { secret_hint: secretHint, sealed_secret: secret === null ? null : box.seal(secret, id) }
}

async function updateEndpoints(tx: Tx, before: DeploymentDraft, after: DeploymentDraft): Promise<void> {
  const idsBefore = new Set(before.endpoints.map((endpoint) => endpoint.id))
  const idsAfter = new Set(after.endpoints.map((endpoint) => endpoint.id))
  const gone = [...idsBefore].filter((id) => !idsAfter.has(id))
  if (gone.length > 0) await tx.deleteFrom('deployment_endpoint').where('id', 'in', gone).execute()
  for (const { id, weight, maxInFlight, state } of after.endpoints) {
    if (!idsBefore.has(id)) continue
    await tx
      .updateTable('deployment_endpoint')
      .set({ weight, max_in_flight: maxInFlight, state })
      .where('id', '=', id)
      .execute()
  }
  await insertEndpoints(
    tx,
    after.id,
    after.endpoints.filter((endpoint) => !idsBefore.has(endpoint.id)),
  )
}

async function insertEndpoints(tx: Tx, deploymentId: string, endpoints: DeploymentDraft['endpoints']): Promise<void> {
  if (endpoints.length === 0) return
  await tx
    .insertInto('deployment_endpoint')
    .values(
      endpoints.map(({ id, url, weight, maxInFlight, state }) => ({
        id,
        deployment_id: deploymentId,
        url,
        weight,
        max_in_flight: maxInFlight,
        state,
      })),
    )
    .execute()
}
