import { sql } from 'kysely'
import type { Db, Tx } from '../database/db.ts'

/** Any number that nothing else locks. */
const administrationLock = 7_305_817_423

/** Until the end of the transaction nobody else takes administrators or their keys away. */
export async function lockAdministration(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${administrationLock}::bigint)`.execute(tx)
}

/** How many keys can administer. */
export interface AdministratorKeys {
  /** Those that are accepted now. */
  readonly active: number
  /** Those of them that do not expire. */
  readonly lasting: number
}

/** Counts the keys with the scope `ADMIN` whose owners are active administrators. */
export function countAdministratorKeys(db: Db): Promise<AdministratorKeys> {
  return db
    .selectFrom('api_key')
    .innerJoin('app_user', 'app_user.id', 'api_key.owner_id')
    .select((eb) => [
      eb.fn.countAll<number>().as('active'),
      eb.fn.countAll<number>().filterWhere('api_key.expires_at', 'is', null).as('lasting'),
    ])
    .where(sql<boolean>`'ADMIN' = any(api_key.scopes)`)
    .where('api_key.revoked_at', 'is', null)
    .where(sql<boolean>`(api_key.expires_at is null or api_key.expires_at > clock_timestamp())`)
    .where('app_user.role', '=', 'ADMIN')
    .where('app_user.state', '=', 'ACTIVE')
    .executeTakeFirstOrThrow()
}
