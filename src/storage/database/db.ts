import type { Kysely, Transaction } from 'kysely'
import type { Tables } from './tables.ts'

/** The interface for queries: the database or a transaction in it. */
export type Db = Kysely<Tables>

/** The interface for writes, which are never outside a transaction. */
export type Tx = Transaction<Tables>
