import { type RawBuilder, sql } from 'kysely'
import { type ConfigurationDelta, type ConfiguredObjects, mapKinds } from '../../routing/config/configuration.ts'
import type { SubjectKind } from '../../routing/config/subject-kind.ts'
import type { Db } from '../database/db.ts'
import { executeNamed } from '../database/prepared-statement.ts'
import type { SecretBox } from '../secret/box.ts'
import { changedIds, type History, historySince, isSameVersion, type VersionId } from './history.ts'
import { apiKeyOf, selectApiKeys } from '../api-key/load.ts'
import { deploymentOf, selectDeployments } from '../deployment/load.ts'
import { providerOf, selectProviders } from '../provider/load.ts'
import { routeOf, selectRoutes } from '../route/load.ts'
import { selectUsers } from '../user/load.ts'

/**
 * Like `loadDelta`, but with one statement for each kind and without a transaction, for a change whose kinds of objects are known.
 * Undefined if the statements do not give the whole change: then use `loadDelta`. Throws `SecretBoxError`.
 */
export async function loadChangeOf(
  db: Db,
  box: SecretBox,
  base: VersionId,
  kinds: readonly SubjectKind[],
): Promise<ConfigurationDelta | undefined> {
  const loaders = kinds.flatMap((kind) => partLoaders[kind] ?? [])
  if (loaders.length < kinds.length) return undefined
  const parts = await Promise.all(loaders.map((load) => load(db, box, base)))
  const history = parts[0]?.history
  // Each statement saw its own snapshot. Results from different versions do not belong together.
  if (!history || !parts.every((part) => part.history && isSameVersion(part.history, history))) return undefined
  const ids = changedIds(history, base)
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  // If the numbers differ, an object of another kind was changed, or an object was removed.
  if (!ids || count !== ids.size) return undefined
  const { version, token } = history
  const changed = Object.assign({}, ...parts.map((part) => part.objects)) as Partial<ConfiguredObjects>
  return { configuration: { version, token, ...mapKinds(() => []), ...changed }, removed: [] }
}

/** The changed objects of one kind, and the version at which they were read; the version is unknown if there are none. */
interface Part {
  readonly history: History | null
  readonly count: number
  readonly objects: Partial<ConfiguredObjects>
}

type PartLoader = (db: Db, box: SecretBox, base: VersionId) => Promise<Part>

/** Limits and budgets are few, and change seldom. */
const partLoaders: Partial<Record<SubjectKind, PartLoader>> = {
  async provider(db, box, base) {
    const query = selectProviders(db, idsSince(base)).select(historyOnce(base))
    const rows = await executeNamed(db, 'changed_providers', query)
    return partOf(rows, { providers: rows.map((row) => providerOf(row, box)) })
  },
  async deployment(db, box, base) {
    const query = selectDeployments(db, idsSince(base)).select(historyOnce(base))
    const rows = await executeNamed(db, 'changed_deployments', query)
    return partOf(rows, { deployments: rows.map((row) => deploymentOf(row, box)) })
  },
  async route(db, _box, base) {
    const query = selectRoutes(db, idsSince(base)).select(historyOnce(base))
    const rows = await executeNamed(db, 'changed_routes', query)
    return partOf(rows, { routes: rows.map(routeOf) })
  },
  async user(db, _box, base) {
    const query = selectUsers(db, idsSince(base)).select(historyOnce(base))
    const rows = await executeNamed(db, 'changed_users', query)
    return partOf(rows, { users: rows.map(({ history: _history, ...user }) => user) })
  },
  async apiKey(db, _box, base) {
    const query = selectApiKeys(db, idsSince(base)).select(historyOnce(base))
    const rows = await executeNamed(db, 'changed_api_keys', query)
    return partOf(rows, { apiKeys: rows.map(apiKeyOf) })
  },
}

function partOf(rows: readonly { readonly history: History | null }[], objects: Partial<ConfiguredObjects>): Part {
  return { history: rows.find(({ history }) => history !== null)?.history ?? null, count: rows.length, objects }
}

/** The ids of what has changed since `base`: the statement finds them itself. */
function idsSince({ version }: VersionId): RawBuilder<string[]> {
  return sql<string[]>`array(select unnest(subject_ids) from config_change where version > ${version})`
}

/** In one row only: it may be long, and would be the same in all. */
function historyOnce(base: VersionId) {
  return sql<History | null>`case when row_number() over () = 1 then ${historySince(base)} end`.as('history')
}
