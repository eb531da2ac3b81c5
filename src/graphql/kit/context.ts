import type { Actor, ControlContext } from '../../control/kit/context.ts'
import type { CursorCodec } from './cursor.ts'
import type { Db } from '../../storage/database/db.ts'
import type { Database } from '../../storage/database/database.ts'
import type { ReadView } from '../../storage/database/read-view.ts'
import type { Loaders } from './loaders.ts'
import type { LivePorts } from './ports.ts'

/** The database for reading. It has separate connections, so that slow reports do not block other work. */
export type ReadDatabase = Pick<Database, 'db' | 'openReadView'>

/** The context that every resolver gets. */
export interface GraphQLContext {
  readonly control: ControlContext
  readonly live: LivePorts
  /** For reads outside the view of an operation. */
  readonly reads: ReadDatabase
  /** The database snapshot in which the operation reads. */
  readonly view: ReadView
  /** The query interface of `view`. */
  readonly db: Db
  /** Usage of this process up to this instant, in milliseconds since the epoch, was in the database before the view was opened. */
  readonly usageShippedUntilMs: number
  /** The caller and its rights. It is replaced while a subscription lives; otherwise a revoked role would stay effective there. */
  actor: Actor
  readonly cursors: CursorCodec
  /** Registers a function to call when the server stops. The returned function removes it. */
  readonly onShutdown: (end: () => void) => () => void
  /** The id of the request, in the response as `x-request-id` and in the log. */
  readonly requestId: string
  /** `traceparent` and `tracestate` of the HTTP request, as name, value, …; empty over WebSocket. */
  readonly traceHeaders: readonly string[]
  /** Aborted when the client has left. */
  readonly signal: AbortSignal
  /**
   * Caches of what was read for this request. They are replaced after each change and for each event of a subscription; otherwise they
   * would show the earlier state.
   */
  loaders: Loaders
}
