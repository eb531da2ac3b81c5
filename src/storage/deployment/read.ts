import type { Selectable } from 'kysely'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byField, type ObjectOrder, type Page, type PageRequest, readPage } from '../database/page.ts'
import { isRef, type Ref } from '../database/ref.ts'
import { containsText } from '../database/search.ts'
import type { Tables } from '../database/tables.ts'

/** Without the secret. */
export type DeploymentRow = Omit<Selectable<Tables['deployment']>, 'sealed_secret'>
export type DeploymentEndpointRow = Selectable<Tables['deployment_endpoint']>

export interface DeploymentFilter {
  /** Part of the name, whatever its case. */
  readonly search: string | null
}

const columns = [
  'id',
  'revision',
  'created_at',
  'updated_at',
  'name',
  'description',
  'engine',
  'upstream_model',
  'categories',
  'input_per_million',
  'output_per_million',
  'cached_input_per_million',
  'price_details',
  'operations',
  'context_tokens',
  'pass_headers',
  'pass_response_headers',
  'add_stream_usage',
  'ca_certificates',
  'state',
  'load_balancing',
  'health_check',
  'queue_max_waiting',
  'queue_max_wait_ms',
  'secret_hint',
] as const

/** One page of the deployments. */
export function listDeployments(
  db: Db,
  filter: DeploymentFilter,
  order: ObjectOrder,
  request: PageRequest,
): Promise<Page<DeploymentRow>> {
  return readPage(matching(db, filter).select(columns), byField('deployment', order), request)
}

export async function countDeployments(db: Db, filter: DeploymentFilter): Promise<number> {
  const row = await matching(db, filter)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

function matching(db: Db, { search }: DeploymentFilter) {
  return db
    .selectFrom('deployment')
    .$if(search !== null, (query) => query.where(containsText('deployment.name', search!)))
}

export function findDeployment(db: Db, ref: Ref): Promise<DeploymentRow | undefined> {
  return db.selectFrom('deployment').select(columns).where(isRef(ref)).executeTakeFirst()
}

export function listDeploymentsByIds(db: Db, ids: readonly string[]): Promise<DeploymentRow[]> {
  return db.selectFrom('deployment').select(columns).where(isAmong('id', ids)).execute()
}

export function listEndpointsByIds(db: Db, ids: readonly string[]): Promise<DeploymentEndpointRow[]> {
  return db.selectFrom('deployment_endpoint').selectAll().where(isAmong('id', ids)).execute()
}

/** The endpoints of these deployments, in order of creation. */
export function listEndpointsOfDeployments(db: Db, deploymentIds: readonly string[]): Promise<DeploymentEndpointRow[]> {
  return db
    .selectFrom('deployment_endpoint')
    .selectAll()
    .where(isAmong('deployment_id', deploymentIds))
    .orderBy('id')
    .execute()
}
