import { sql } from 'kysely'
import type { Db, Tx } from '../database/db.ts'

/** Any number that nothing else locks. */
const administrationLock = 7_305_817_423

/** Prevents other transactions from removing administrators or their keys until this one ends. */
export async function lockAdministration(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${administrationLock}::bigint)`.execute(tx)
}

/** The number of keys with the scope `ADMIN`. */
export interface AdministratorKeys {
  /** Keys that are accepted now. */
  readonly active: number
  /** Accepted keys without an expiry. */
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
