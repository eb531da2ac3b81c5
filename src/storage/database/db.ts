import type { Kysely, Transaction } from 'kysely'
import type { Tables } from './tables.ts'

/** What queries are written against: the database, or a transaction in it. */
export type Db = Kysely<Tables>

/** What writes are written against: they are never outside of a transaction. */
export type Tx = Transaction<Tables>
