/** Sent by a worker that serves at this address. */
export interface ReadyMessage {
  readonly kind: 'ready'
  readonly gatewayUrl: string
}

/** Sent by the primary: the worker must accept nothing new, and end after its requests in flight. */
export interface DrainMessage {
  readonly kind: 'drain'
}

export function isReady(message: unknown): message is ReadyMessage {
  return kindOf(message) === 'ready'
}

export function isDrain(message: unknown): message is DrainMessage {
  return kindOf(message) === 'drain'
}

/** Node's own messages come the same way. */
function kindOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'kind' in message ? message.kind : undefined
}
