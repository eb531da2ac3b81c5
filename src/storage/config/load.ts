import { type Expression, type ExpressionBuilder, type RawBuilder, type SqlBool, sql } from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type {
  ApiKeyConfiguration,
  Configuration,
  ConfigurationDelta,
  DeploymentConfiguration,
  ProviderConfiguration,
  RequestRules,
  RouteConfiguration,
  SubjectKind,
  UserConfiguration,
} from '../../routing/config/configuration.ts'
import { subjectKinds } from '../../routing/config/configuration.ts'
import { loadBudgets } from '../budget/load.ts'
import { pricingOf, pricingTexts } from './pricing-columns.ts'
import type { RequestRulesColumns } from '../backend/tables.ts'
import { subjectKindOf } from './subject-kind.ts'
import type { Db } from '../database/db.ts'
import { loadRateLimits } from '../limit/load.ts'
import { changedIds, historySince, type VersionId } from './history.ts'
import type { SecretBox } from '../secret/box.ts'
import type { Tables } from '../database/tables.ts'

/**
 * The whole configuration. Call it in a transaction with a snapshot (`REPEATABLE READ`), or under the version's lock, so
 * that its parts belong together. Throws `SecretBoxError` if a secret cannot be opened.
 */
export async function loadConfiguration(db: Db, box: SecretBox): Promise<Configuration> {
  const { version, token } = await db
    .selectFrom('config_version')
    .select(['version', 'token'])
    .executeTakeFirstOrThrow()
  return {
    version,
    token,
    providers: await loadProviders(db, box),
    deployments: await loadDeployments(db, box),
    routes: await loadRoutes(db),
    users: await loadUsers(db),
    apiKeys: await loadApiKeys(db),
    rateLimits: await loadRateLimits(db),
    budgets: await loadBudgets(db),
  }
}

/**
 * What changed after the version `base`, as it is now. Undefined if the whole has to be loaded: the changes do not reach back
 * that far, or the database has another history than `base`. The same conditions as for `loadConfiguration`.
 */
export async function loadDelta(db: Db, box: SecretBox, base: VersionId): Promise<ConfigurationDelta | undefined> {
  const { history } = await db.selectNoFrom(historySince(base).as('history')).executeTakeFirstOrThrow()
  const ids = changedIds(history, base)
  return ids && loadObjects(db, box, history, ids)
}

/** These objects as they are in this version. The same conditions as for `loadConfiguration`. */
export async function loadObjects(
  db: Db,
  box: SecretBox,
  { version, token }: VersionId,
  changed: Iterable<string>,
): Promise<ConfigurationDelta> {
  const ids = Map.groupBy(changed, subjectKindOf)
  const configuration: Configuration = {
    version,
    token,
    providers: await loadSome(ids.get('provider'), (some) => loadProviders(db, box, some)),
    deployments: await loadSome(ids.get('deployment'), (some) => loadDeployments(db, box, some)),
    routes: await loadSome(ids.get('route'), (some) => loadRoutes(db, some)),
    users: await loadSome(ids.get('user'), (some) => loadUsers(db, some)),
    apiKeys: await loadSome(ids.get('apiKey'), (some) => loadApiKeys(db, some)),
    rateLimits: await loadSome(ids.get('rateLimit'), (some) => loadRateLimits(db, some)),
    budgets: await loadSome(ids.get('budget'), (some) => loadBudgets(db, some)),
  }
  return { configuration, removed: findRemoved(ids, configuration) }
}

function loadSome<T>(ids: readonly string[] | undefined, load: (ids: readonly string[]) => Promise<T[]>): Promise<T[]> {
  return ids ? load(ids) : Promise.resolve([])
}

function findRemoved(
  ids: ReadonlyMap<SubjectKind | undefined, readonly string[]>,
  configuration: Configuration,
): ConfigurationDelta['removed'] {
  const present = new Set(
    [
      configuration.providers,
      configuration.deployments,
      configuration.routes,
      configuration.users,
      configuration.apiKeys,
      configuration.rateLimits,
      configuration.budgets,
    ].flatMap((objects) => objects.map((object) => object.id)),
  )
  return subjectKinds.flatMap((kind) =>
    (ids.get(kind) ?? []).filter((id) => !present.has(id)).map((id) => ({ kind, id })),
  )
}

/** Ids that are known, or that the statement itself finds; undefined: all. */
type Ids = readonly string[] | RawBuilder<string[]> | undefined

/** The condition that keeps the rows of these ids, or all. */
function amongIds<T extends keyof Tables>(column: string, ids: Ids) {
  return (_builder: ExpressionBuilder<Tables, T>): Expression<SqlBool> =>
    ids ? sql<SqlBool>`${sql.ref(column)} = any(${ids})` : sql<SqlBool>`true`
}

/** Providers as they are configured; `ids` undefined: all. Throws `SecretBoxError`. */
export async function loadProviders(db: Db, box: SecretBox, ids?: readonly string[]): Promise<ProviderConfiguration[]> {
  return (await selectProviders(db, ids).execute()).map((row) => providerOf(row, box))
}

export function selectProviders(db: Db, ids: Ids) {
  return db
    .selectFrom('provider')
    .select(['id', 'name', 'kind', 'base_url', 'state', 'proxy_url'])
    .select(['pass_headers', 'pass_response_headers', 'add_stream_usage', 'ca_certificates'])
    .select((eb) => [
      jsonArrayFrom(
        eb
          .selectFrom('provider_credential')
          .select(['id', 'hint', sql<string>`encode(sealed_secret, 'base64')`.as('sealed')])
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('credentials'),
      jsonArrayFrom(
        eb
          .selectFrom('provider_header')
          .select(['id', 'name', sql<string>`encode(sealed_value, 'base64')`.as('sealed')])
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('headers'),
      jsonArrayFrom(
        eb
          .selectFrom('provider_model')
          .select(['id', 'upstream_model', 'categories', 'operations', 'context_tokens'])
          .select(pricingTexts)
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('models'),
    ])
    .where(amongIds('provider.id', ids))
    .orderBy('id')
}

export function providerOf(row: RowOf<typeof selectProviders>, box: SecretBox): ProviderConfiguration {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    baseUrl: row.base_url,
    state: row.state,
    proxyUrl: row.proxy_url,
    requestRules: requestRulesOf(row),
    caCertificates: row.ca_certificates,
    credentials: row.credentials.map(({ id, hint, sealed }) => ({
      id,
      secret: box.open(Buffer.from(sealed, 'base64'), id),
      hint,
    })),
    headers: row.headers.map(({ id, name, sealed }) => ({ name, value: box.open(Buffer.from(sealed, 'base64'), id) })),
    models: row.models.map((model) => ({
      id: model.id,
      upstreamModel: model.upstream_model,
      categories: model.categories,
      pricing: pricingOf(model),
      operations: model.operations,
      contextTokens: model.context_tokens,
    })),
  }
}

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

export function deploymentOf(row: RowOf<typeof selectDeployments>, box: SecretBox): DeploymentConfiguration {
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

/** Routes as they are configured, in order of creation; `ids` undefined: all. */
export async function loadRoutes(db: Db, ids?: readonly string[]): Promise<RouteConfiguration[]> {
  return (await selectRoutes(db, ids).execute()).map(routeOf)
}

export function selectRoutes(db: Db, ids: Ids) {
  return db
    .selectFrom('route')
    .selectAll('route')
    .select((eb) => [
      jsonArrayFrom(
        eb
          .selectFrom('route_target')
          .select(['id', 'backend_id as backendId', 'weight'])
          .whereRef('route_id', '=', 'route.id')
          .orderBy('id'),
      ).as('targets'),
      sql<
        string[]
      >`array(select backend_id from route_fallback_backend where route_id = route.id order by position)`.as(
        'fallback_backend_ids',
      ),
      sql<string[]>`array(select user_id::text from route_access_user where route_id = route.id order by user_id)`.as(
        'user_ids',
      ),
      sql<
        string[]
      >`array(select api_key_id::text from route_access_api_key where route_id = route.id order by api_key_id)`.as(
        'api_key_ids',
      ),
    ])
    .where(amongIds('route.id', ids))
    .orderBy('id')
}

export function routeOf(row: RowOf<typeof selectRoutes>): RouteConfiguration {
  return {
    id: row.id,
    name: row.name,
    revision: row.revision,
    createdAtMs: row.created_at.getTime(),
    state: row.state,
    categories: row.categories,
    targets: row.targets,
    fallback: row.fallback_triggers && {
      backendIds: row.fallback_backend_ids,
      triggers: row.fallback_triggers,
      maxAttempts: row.fallback_max_attempts!,
    },
    timeouts: {
      connectMs: row.connect_ms,
      firstByteMs: row.first_byte_ms,
      answerMs: row.answer_ms,
      idleMs: row.idle_ms,
      totalMs: row.total_ms,
      keepAliveMs: row.keep_alive_ms,
    },
    affinity: row.affinity,
    balancing: row.balancing,
    rewritesModel: row.rewrites_model,
    access: { policy: row.access_policy, userIds: row.user_ids, apiKeyIds: row.api_key_ids },
  }
}

function loadUsers(db: Db, ids?: readonly string[]): Promise<UserConfiguration[]> {
  return selectUsers(db, ids).execute()
}

export function selectUsers(db: Db, ids: Ids) {
  return db
    .selectFrom('app_user')
    .select(['id', 'name', 'role', 'state'])
    .where(amongIds('app_user.id', ids))
    .orderBy('id')
}

async function loadApiKeys(db: Db, ids?: readonly string[]): Promise<ApiKeyConfiguration[]> {
  return (await selectApiKeys(db, ids).execute()).map(apiKeyOf)
}

export function selectApiKeys(db: Db, ids: Ids) {
  return db
    .selectFrom('api_key')
    .select(['id', 'name', 'owner_id', 'hash', 'earlier_secrets', 'scopes', 'is_route_bound', 'expires_at'])
    .select(
      sql<string[]>`array(select route_id::text from api_key_route where api_key_id = api_key.id order by route_id)`.as(
        'route_ids',
      ),
    )
    .where('revoked_at', 'is', null)
    .where(amongIds('api_key.id', ids))
    .orderBy('id')
}

export function apiKeyOf(row: RowOf<typeof selectApiKeys>): ApiKeyConfiguration {
  return {
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    hash: row.hash,
    earlierSecrets: row.earlier_secrets,
    scopes: row.scopes,
    routeIds: row.is_route_bound ? row.route_ids : null,
    expiresAtMs: row.expires_at?.getTime() ?? null,
  }
}

type RowOf<Select extends (db: Db, ids: Ids) => { execute(): Promise<unknown[]> }> = Awaited<
  ReturnType<ReturnType<Select>['execute']>
>[number]

/** The request rules of a row. */
export function requestRulesOf(row: Omit<RequestRulesColumns, 'ca_certificates'>): RequestRules {
  return {
    passHeaders: row.pass_headers,
    passResponseHeaders: row.pass_response_headers,
    addStreamUsage: row.add_stream_usage,
  }
}
