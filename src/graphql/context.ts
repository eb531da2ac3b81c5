import type { Actor, Control } from '../control/control.ts'
import type { CursorCodec } from './cursor.ts'
import type { Loaders } from './loaders.ts'
import type { LivePorts } from './ports.ts'

/** What every resolver gets. */
export interface GraphQLContext {
  readonly control: Control
  readonly live: LivePorts
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
