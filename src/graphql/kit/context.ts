import type { Actor, ControlContext } from '../../control/kit/context.ts'
import type { CursorCodec } from './cursor.ts'
import type { Db } from '../../storage/database/db.ts'
import type { Database } from '../../storage/database/database.ts'
import type { ReadView } from '../../storage/database/read-view.ts'
import type { Loaders } from './loaders.ts'
import type { LivePorts } from './ports.ts'

/** The database for reading: connections of its own, so that a slow report starves nobody else. */
export type ReadDatabase = Pick<Database, 'db' | 'openReadView'>

/** What every resolver gets. */
export interface GraphQLContext {
  readonly control: ControlContext
  readonly live: LivePorts
  /** For what is read outside of an operation's view. */
  readonly reads: ReadDatabase
  /** What the operation sees of the database: one state. */
  readonly view: ReadView
  /** Of `view`. */
  readonly db: Db
  /** Usage of this process up to this instant, in milliseconds since the epoch, was in the database before the view was opened. */
  readonly usageShippedUntilMs: number
  /** What the caller is, and may do. Replaced while a subscription lives, or who loses a role would keep it there. */
  actor: Actor
  readonly cursors: CursorCodec
  /** Has a function called when the server stops, until the returned one is called. */
  readonly onShutdown: (end: () => void) => () => void
  /** In the response as `x-request-id`, and in the log. */
  readonly requestId: string
  /**
   * What was read for this request. Replaced after each change and for each event of a subscription, or they would show what
   * was before.
   */
  loaders: Loaders
}
