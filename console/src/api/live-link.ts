import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWebSocketClient, type Sink } from 'graphql-ws'
import { createSlots } from './slots.ts'

export interface Operation {
  readonly query: string
  readonly variables?: Record<string, unknown> | undefined
}

export type LiveState = 'idle' | 'connecting' | 'live' | 'reconnecting'

export interface LiveLink {
  /** Returns what ends it. Lost connections are opened again, for as long as it takes. */
  subscribe(operation: Operation, sink: Sink): () => void
  /** Tells the state now and whenever it changes; returns what ends that. */
  onState(listener: (state: LiveState) => void): () => void
  close(): void
}

export interface LiveLinkOptions {
  readonly key: string
  readonly webSocketUrl: string
  readonly sseUrl: string
  readonly onRefused: () => void
}

/** A browser opens six connections to an origin over HTTP/1.1; two are left to queries and mutations. */
const maxStreams = 4
/** A proxy that lets no WebSocket through is told by so many attempts without a single connection. */
const maxFirstAttempts = 2
const forbidden = 4403

/**
 * All subscriptions over one WebSocket, because a wall has more routes than a browser has connections. Where no WebSocket gets through,
 * server-sent events take its place.
 */
export function createLiveLink(options: LiveLinkOptions): LiveLink {
  const states = createStates()
  let transport = openWebSocket(options, states.set, () => {
    transport.close()
    transport = openEventStreams(options, states.set)
    for (const restart of active) restart()
  })
  const active = new Set<() => void>()
  return {
    subscribe(operation, sink) {
      let end = transport.subscribe(operation, sink)
      const restart = () => {
        end = transport.subscribe(operation, sink)
      }
      active.add(restart)
      return () => {
        active.delete(restart)
        end()
      }
    },
    onState: states.listen,
    close() {
      active.clear()
      transport.close()
    },
  }
}

type Transport = Pick<LiveLink, 'subscribe' | 'close'>

function openWebSocket(
  { key, webSocketUrl, onRefused }: LiveLinkOptions,
  setState: (state: LiveState) => void,
  giveUp: () => void,
): Transport {
  let wasConnected = false
  let attempts = 0
  let hasGivenUp = false
  const client = createWebSocketClient({
    url: webSocketUrl,
    connectionParams: { authorization: `Bearer ${key}` },
    lazyCloseTimeout: 3_000,
    keepAlive: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (tries) => pause(Math.min(500 * 2 ** tries, 8_000) * (0.75 + Math.random() / 2)),
    shouldRetry: () => !hasGivenUp,
    on: {
      connecting: () => setState(wasConnected ? 'reconnecting' : 'connecting'),
      connected: () => {
        wasConnected = true
        setState('live')
      },
      closed: (event) => {
        const { code, wasClean } = event as CloseEvent
        if (code === forbidden) return onRefused()
        setState(wasClean && code === 1_000 ? 'idle' : 'reconnecting')
        if (wasConnected || ++attempts < maxFirstAttempts || hasGivenUp) return undefined
        hasGivenUp = true
        return giveUp()
      },
    },
  })
  return {
    // What ends because this gave up is begun again on the other transport.
    subscribe: (operation, sink) =>
      client.subscribe(operation, {
        ...sink,
        error: (error) => (hasGivenUp || isForbidden(error) ? undefined : sink.error(error)),
      }),
    close: () => void client.dispose(),
  }
}

function openEventStreams(
  { key, sseUrl, onRefused }: LiveLinkOptions,
  setState: (state: LiveState) => void,
): Transport {
  const client = createSseClient({
    url: sseUrl,
    headers: { authorization: `Bearer ${key}` },
    credentials: 'omit',
    retryAttempts: Number.POSITIVE_INFINITY,
    retry: (tries) => pause(Math.min(500 * 2 ** tries, 8_000) * (0.75 + Math.random() / 2)),
    onMessage: () => setState('live'),
  })
  const slots = createSlots(maxStreams, (operation: Operation, sink: Sink) =>
    client.subscribe(operation, {
      ...sink,
      error: (error) => {
        if (isUnauthenticated(error)) onRefused()
        else setState('reconnecting')
        sink.error(error)
      },
    }),
  )
  return { subscribe: slots.open, close: () => client.dispose() }
}

function createStates() {
  const listeners = new Set<(state: LiveState) => void>()
  let state: LiveState = 'idle'
  return {
    set: (next: LiveState) => {
      if (next === state) return
      state = next
      for (const listener of listeners) listener(state)
    },
    listen: (listener: (state: LiveState) => void) => {
      listeners.add(listener)
      listener(state)
      return () => void listeners.delete(listener)
    },
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof CloseEvent && error.code === forbidden
}

function isUnauthenticated(error: unknown): boolean {
  return error !== null && typeof error === 'object' && (error as { response?: Response }).response?.status === 401
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
