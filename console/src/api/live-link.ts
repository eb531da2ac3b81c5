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
/** A stream that the other side ended, e.g. because it restarts, is opened again after this time. */
const reopenMs = 1_000
/** A peer that answers no ping for so long is gone: a laptop that slept, a network that was changed. */
const pongWithinMs = 5_000
const forbidden = 4403

/**
 * All subscriptions over one WebSocket, because a wall has more routes than a browser has connections. Where no WebSocket gets through,
 * server-sent events take its place.
 */
export function createLiveLink(options: LiveLinkOptions): LiveLink {
  const states = createStates()
  const streams = new Set<Stream>()
  let transport = openWebSocket(options, states.set, () => {
    const refused = transport
    transport = openEventStreams(options, states.set)
    for (const stream of streams) stream.begin()
    refused.close()
  })
  return {
    subscribe(operation, sink) {
      const stream = createStream((ownSink) => transport.subscribe(operation, ownSink), sink)
      streams.add(stream)
      stream.begin()
      return () => {
        streams.delete(stream)
        stream.end()
      }
    },
    onState: states.listen,
    close() {
      for (const stream of streams) stream.end()
      streams.clear()
      transport.close()
    },
  }
}

interface Stream {
  /** Ends what runs of it, and begins it on the transport of the moment. */
  readonly begin: () => void
  readonly end: () => void
}

/**
 * A subscription that outlives its transports. Only what was begun last is heard; what ends before `end` was called, and was not
 * refused by the API, is begun again.
 */
function createStream(subscribe: (sink: Sink) => () => void, sink: Sink): Stream {
  let current: object | undefined
  let endCurrent: (() => void) | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const end = () => {
    current = undefined
    clearTimeout(timer)
    endCurrent?.()
    endCurrent = undefined
  }
  const begin = () => {
    end()
    const mine = {}
    let isRefused = false
    current = mine
    const again = () => {
      timer = setTimeout(begin, reopenMs)
    }
    endCurrent = subscribe({
      next: (value) => {
        const { errors, data } = value as { errors?: unknown; data?: unknown }
        isRefused = errors !== undefined && !data
        if (current === mine) sink.next(value)
      },
      error: (error) => {
        if (current !== mine) return
        if (Array.isArray(error)) sink.error(error)
        else again()
      },
      complete: () => {
        if (current !== mine) return
        if (isRefused) sink.complete()
        else again()
      },
    })
  }
  return { begin, end }
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
  let isClosed = false
  let pongTimer: ReturnType<typeof setTimeout> | undefined
  const client = createWebSocketClient({
    url: webSocketUrl,
    connectionParams: { authorization: `Bearer ${key}` },
    lazyCloseTimeout: 3_000,
    keepAlive: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: pauseBeforeRetry,
    shouldRetry: () => true,
    on: {
      connecting: () => setState(wasConnected ? 'reconnecting' : 'connecting'),
      connected: () => {
        wasConnected = true
        setState('live')
      },
      ping: (isReceived) => {
        if (!isReceived) pongTimer = setTimeout(() => client.terminate(), pongWithinMs)
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(pongTimer)
      },
      closed: (event) => {
        clearTimeout(pongTimer)
        if (hasGivenUp || isClosed) return undefined
        const { code, wasClean } = event as CloseEvent
        if (code === forbidden) return onRefused()
        setState(wasClean && code === 1_000 ? 'idle' : 'reconnecting')
        if (wasConnected || ++attempts < maxFirstAttempts) return undefined
        hasGivenUp = true
        return giveUp()
      },
    },
  })
  return {
    subscribe: (operation, sink) => client.subscribe(operation, sink),
    close: () => {
      isClosed = true
      // Rejects if it was connecting, which nobody waits for any more.
      Promise.resolve(client.dispose()).catch(() => undefined)
    },
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
    retry: pauseBeforeRetry,
    // The client takes every answer without success for a lost connection, and would ask for ever with a key that is revoked.
    fetchFn: async (url: string, init: RequestInit) => {
      const response = await fetch(url, init)
      if (response.status === 401) onRefused()
      return response
    },
    on: {
      connecting: (isRetry) => {
        if (isRetry) setState('reconnecting')
      },
      message: () => setState('live'),
    },
  })
  const slots = createSlots(maxStreams, (operation: Operation, sink: Sink) => client.subscribe(operation, sink))
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

function pauseBeforeRetry(tries: number): Promise<void> {
  const ms = Math.min(500 * 2 ** tries, 8_000) * (0.75 + Math.random() / 2)
  return new Promise((resolve) => setTimeout(resolve, ms))
}
