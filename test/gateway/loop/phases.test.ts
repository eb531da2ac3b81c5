import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  passAnswers,
  readClients,
  readUpstreams,
  sendClients,
  sendUpstream,
  writeRecords,
} from '../../../src/gateway/loop/phases.ts'
import { until } from '../../support/until.ts'

function fail(error: unknown): never {
  throw error
}

test('what a turn brings is done step by step, in the order of the steps and not of its coming', async () => {
  const done: string[] = []
  const named = (name: string) => {
    const note = () => void done.push(name)
    return { read: note, sendUnsent: note, flush: note, fail }
  }
  for (const which of ['one', 'two']) {
    sendClients.add(named(`answer ${which}`))
    writeRecords.add(named(`record ${which}`))
    passAnswers.add(named(`pass ${which}`))
    readUpstreams.add(named(`upstream ${which}`))
    sendUpstream.add(named(`send ${which}`))
    readClients.add(named(`client ${which}`))
  }
  expect(done).toEqual([])
  await nextTurn()
  const names = ['client', 'send', 'upstream', 'pass', 'record', 'answer']
  expect(done).toEqual(names.flatMap((name) => [`${name} one`, `${name} two`]))
})

test('what a step leads to is done in the same turn if its step is yet to come, else in the next one', async () => {
  const done: string[] = []
  const later = { sendUnsent: () => void done.push('later'), fail }
  const earlier = { read: () => void done.push('earlier'), fail }
  passAnswers.add({
    flush() {
      done.push('now')
      readClients.add(earlier)
      sendClients.add(later)
    },
    fail,
  })
  await nextTurn()
  expect(done).toEqual(['now', 'later'])
  await nextTurn()
  expect(done).toEqual(['now', 'later', 'earlier'])
  await nextTurn()
  readClients.add(earlier)
  await nextTurn()
  expect(done).toEqual(['now', 'later', 'earlier', 'earlier'])
})

test('a step that throws ends its own item alone, also if that cannot be ended in order', async () => {
  const done: string[] = []
  const warned: unknown[] = []
  const warn = (warning: unknown) => void warned.push(warning)
  process.on('warning', warn)
  const named = (name: string) => ({ flush: () => void done.push(name), fail })
  passAnswers.add(named('one'))
  passAnswers.add({
    flush: () => fail(new Error('broken step')),
    fail: (error) => void done.push(String(error)),
  })
  passAnswers.add({ flush: () => fail(new Error('broken twice')), fail })
  passAnswers.add(named('two'))
  sendClients.add({ sendUnsent: () => void done.push('three'), fail })
  await nextTurn()
  expect(done).toEqual(['one', 'Error: broken step', 'two', 'three'])
  await until(() => warned.length === 1)
  process.off('warning', warn)
  expect(String(warned[0])).toContain('broken twice')
})
