import type { Configuration } from '../../routing/config/configuration.ts'
import type { SubjectKind } from '../../routing/config/subject-kind.ts'
import { loadApiKeys } from '../api-key/load.ts'
import { loadBudgets } from '../budget/load.ts'
import type { Db } from '../database/db.ts'
import type { Tables } from '../database/tables.ts'
import { loadDeployments } from '../deployment/load.ts'
import { loadRateLimits } from '../limit/load.ts'
import { loadProviders } from '../provider/load.ts'
import { loadRoutes } from '../route/load.ts'
import type { SecretBox } from '../secret/box.ts'
import { loadUsers } from '../user/load.ts'

/** Where the objects of one kind are stored. */
interface StoredKind<Kind extends SubjectKind> {
  /** The table with one row for each object, by `id`. */
  readonly table: keyof Tables
  /** The objects as they are configured; `ids` undefined: all. Throws `SecretBoxError` if a secret cannot be opened. */
  readonly load: (db: Db, box: SecretBox, ids?: readonly string[]) => Promise<Configuration[`${Kind}s`]>
}

/** A kind that is missing here does not compile. */
export const storedKinds = {
  provider: { table: 'provider', load: loadProviders },
  deployment: { table: 'deployment', load: loadDeployments },
  route: { table: 'route', load: (db, _box, ids) => loadRoutes(db, ids) },
  user: { table: 'app_user', load: (db, _box, ids) => loadUsers(db, ids) },
  apiKey: { table: 'api_key', load: (db, _box, ids) => loadApiKeys(db, ids) },
  rateLimit: { table: 'rate_limit', load: (db, _box, ids) => loadRateLimits(db, ids) },
  budget: { table: 'budget', load: (db, _box, ids) => loadBudgets(db, ids) },
} as const satisfies { readonly [Kind in SubjectKind]: StoredKind<Kind> }
