import type { Backend } from '../../routing/config/snapshot.ts'
import type { CallRequest } from '../http1/client/exchange.ts'

/** A request whose body has arrived, whatever its form: what the way of it depends on, and what upstreams get of it. */
export interface ReceivedRequest {
  readonly model: string
  readonly stream: boolean
  /** Bytes of the body. */
  readonly size: number
  /** Whether it is a stream whose usage the client does not ask for, and the gateway may. */
  readonly lacksUsage: boolean
  /** The first bytes of the body; at least where it is JSON. */
  readonly head: readonly Buffer[]
  /** The body that this backend gets, and its length. `addsUsage`: with the question for the usage that it lacks. */
  bodyFor(backend: Backend, addsUsage: boolean): Pick<CallRequest, 'body' | 'length'>
  /** The answer has begun: no other attempt will ask for the body. False: it stays in memory until the request is over. */
  release(): boolean
  /** Its JSON, one character for each byte, also after `release`: then of a long one only the beginning. Empty: it is no JSON. */
  promptText(): string
}
