import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { DeadlineWatch, type DeadlineHolder } from '../../../src/gateway/upstream/deadline-watch.ts'
import { until } from '../../support/until.ts'

class Deadline implements DeadlineHolder {
  indexInSet = -1
  dueAtMs: number
  readonly passedAtMs: number[] = []
  readonly faults: unknown[] = []

  constructor(inMs: number) {
    this.dueAtMs = performance.now() + inMs
  }

  checkDeadlines(nowMs: number): void {
    this.passedAtMs.push(nowMs)
    this.dueAtMs = Infinity
  }

  fail(error: unknown): void {
    this.faults.push(error)
  }
}

class FaultyDeadline extends Deadline {
  override checkDeadlines(nowMs: number): void {
    super.checkDeadlines(nowMs)
    throw new Error('a fault')
  }
}

test('what is due is told once, not before, and what has left never', async () => {
  const watch = new DeadlineWatch()
  const [soon, later, left, moved] = [new Deadline(20), new Deadline(60), new Deadline(10), new Deadline(10_000)]
  const due = [soon.dueAtMs, later.dueAtMs]
  for (const one of [soon, later, left, moved]) watch.add(one)
  watch.delete(left)
  moved.dueAtMs = performance.now()
  await until(() => later.passedAtMs.length > 0)
  expect([soon, later, left, moved].map(({ passedAtMs }) => passedAtMs.length)).toEqual([1, 1, 0, 1])
  expect(soon.passedAtMs[0]).toBeGreaterThanOrEqual(due[0]!)
  expect(later.passedAtMs[0]).toBeGreaterThanOrEqual(due[1]!)
})

test('the watch goes on when something comes after the last has left', async () => {
  const watch = new DeadlineWatch()
  for (let i = 0; i < 2; i++) {
    const one = new Deadline(0)
    watch.add(one)
    await until(() => one.passedAtMs.length === 1)
    watch.delete(one)
    const stopsAtMs = performance.now() + 40
    await until(() => performance.now() > stopsAtMs)
  }
})

test('one that throws is told so, and the others are looked at all the same', async () => {
  const watch = new DeadlineWatch()
  const [faulty, other] = [new FaultyDeadline(0), new Deadline(0)]
  for (const one of [faulty, other]) watch.add(one)
  await until(() => other.passedAtMs.length === 1)
  expect(faulty.faults).toEqual([new Error('a fault')])
  expect(other.faults).toEqual([])
})

test('what came while the process was held up is read before a deadline counts', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = (await once(server, 'connection')) as [Socket]
  const watch = new DeadlineWatch()
  const [answered, silent] = [new Deadline(30), new Deadline(30)]
  socket.once('data', () => (answered.dueAtMs = Infinity))
  for (const one of [answered, silent]) watch.add(one)
  peer.write('x')
  holdUp(60)
  await until(() => silent.passedAtMs.length > 0)
  expect(answered.passedAtMs).toEqual([])
  for (const one of [socket, peer]) one.destroy()
  server.close()
})

/** The event loop of this process stands still. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
