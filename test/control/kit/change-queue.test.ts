import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ChangeQueueError, createChangeQueue } from '../../../src/control/kit/change-queue.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { administrator, openTestControl } from '../../support/control.ts'

test('changes begin in the order in which they came, so many at a time, also after one that fails', async () => {
  const queue = createChangeQueue({ atOnce: 2, maxWaiting: 10, patienceMs: 60_000 })
  const begun: number[] = []
  const works = Array.from({ length: 6 }, () => Promise.withResolvers<void>())
  const ends = works.map(({ promise }, i) =>
    queue.run(async () => {
      begun.push(i)
      await promise
    }),
  )
  await turn()
  expect(begun).toEqual([0, 1])
  works[1]!.reject(new Error('failed'))
  await expect(ends[1]).rejects.toThrow('failed')
  expect(begun).toEqual([0, 1, 2])
  for (const { resolve } of works) resolve()
  await Promise.allSettled(ends)
  expect(begun).toEqual([0, 1, 2, 3, 4, 5])
})

test('a change that waits for too long, or behind too many, is told so and is not begun', async () => {
  const queue = createChangeQueue({ atOnce: 1, maxWaiting: 1, patienceMs: 1 })
  const first = Promise.withResolvers<void>()
  const running = queue.run(() => first.promise)
  let begun = 0
  const impatient = queue.run(async () => void begun++)
  await expect(queue.run(async () => void begun++)).rejects.toThrow(ChangeQueueError)
  await expect(impatient).rejects.toThrow('waited for 1 ms')
  first.resolve()
  await running
  await queue.run(async () => {})
  expect(begun).toBe(0)
})

test('more changes at once than the pool has patience for are all made, one after the other', async () => {
  await using control = await openTestControl({ maxConnections: 2, connectTimeoutMs: 100 })
  const queue = createChangeQueue({ atOnce: 2, maxWaiting: 1_000, patienceMs: 60_000 })
  const slow = {
    ...control,
    queue,
    beforeCommit: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, 20)
      await promise
    },
  }
  const names = Array.from({ length: 40 }, (_, i) => `user ${i}`)
  const answers = await Promise.all(names.map((name) => createUser(slow, administrator, { name })))
  expect(answers.every(({ ok }) => ok)).toBe(true)
  expect(new Set(answers.map(({ version }) => version)).size).toBe(names.length)
})

test('a change whose caller left while it waited is not made', async () => {
  await using control = await openTestControl()
  const queue = createChangeQueue({ atOnce: 1, maxWaiting: 10, patienceMs: 60_000 })
  const first = Promise.withResolvers<void>()
  const running = queue.run(() => first.promise)
  let hasLeft = false
  const waiting = createUser({ ...control, queue, hasCallerLeft: () => hasLeft }, administrator, { name: 'ada' })
  hasLeft = true
  first.resolve()
  await expect(waiting).rejects.toThrow(ChangeQueueError)
  await running
  expect(control.snapshots.current().version).toBe(0)
})
