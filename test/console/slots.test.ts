/** Which live figures run when more are wanted than a browser has connections. */
import type { Sink } from 'graphql-ws'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSlots } from '../../console/src/api/slots.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A server whose first event of each stream comes after `firstEventMs`, and another each second after it. */
function openServer(firstEventMs: number) {
  const running = new Set<string>()
  let most = 0
  const open = (name: string, sink: Sink) => {
    running.add(name)
    most = Math.max(most, running.size)
    let timer = setTimeout(function tell() {
      sink.next({ data: { name } })
      timer = setTimeout(tell, 1_000)
    }, firstEventMs)
    return () => {
      running.delete(name)
      clearTimeout(timer)
    }
  }
  return { open, running, most: () => most }
}

function openAll(slots: ReturnType<typeof createSlots<string>>, names: readonly string[]) {
  const events = new Map(names.map((name) => [name, 0]))
  const ends = new Map(
    names.map((name) => [
      name,
      slots.open(name, {
        next: () => events.set(name, events.get(name)! + 1),
        error: () => {},
        complete: () => {},
      }),
    ]),
  )
  return { events, ends }
}

const names = Array.from({ length: 30 }, (_, index) => `route-${index}`)

test('thirty streams share four places, and each of them shows something again and again', () => {
  const server = openServer(20)
  const { events } = openAll(createSlots(4, server.open), names)
  vi.advanceTimersByTime(40_000)
  expect(Math.min(...events.values())).toBeGreaterThanOrEqual(4)
  expect(server.most()).toBe(4)
})

test('a server that needs longer for its first event than a turn lasts starves no stream', () => {
  const server = openServer(45_000)
  const { events } = openAll(createSlots(4, server.open), names.slice(0, 6))
  vi.advanceTimersByTime(600_000)
  expect(Math.min(...events.values())).toBeGreaterThan(0)
})

test('a stream that has nothing to say does not keep others waiting for ever', () => {
  const silent = (name: string, sink: Sink) => {
    if (name.startsWith('route')) sink.next({ data: {} })
    return () => {}
  }
  const { events } = openAll(createSlots(2, silent), ['quiet-1', 'quiet-2', 'route-1', 'route-2'])
  vi.advanceTimersByTime(30_000)
  expect(events.get('route-1')).toBeGreaterThan(0)
  expect(events.get('route-2')).toBeGreaterThan(0)
})

test('a stream that fails leaves its place to the next', () => {
  const failing = (name: string, sink: Sink) => {
    if (name === 'broken') sink.error(new Error('no such route'))
    else sink.next({ data: {} })
    return () => {}
  }
  const { events } = openAll(createSlots(1, failing), ['broken', 'route-1'])
  expect(events.get('route-1')).toBe(1)
})

test('while all have a place none is ended, and what nobody wants any more is ended', () => {
  const server = openServer(20)
  const { events, ends } = openAll(createSlots(4, server.open), names.slice(0, 4))
  vi.advanceTimersByTime(10_500)
  expect([...events.values()]).toEqual([11, 11, 11, 11])
  for (const end of ends.values()) end()
  expect(server.running.size).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
