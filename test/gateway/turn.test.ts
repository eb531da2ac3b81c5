import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  passAnswers,
  readClients,
  readUpstreams,
  sendClients,
  sendUpstream,
  writeRecords,
} from '../../src/gateway/turn.ts'

test('what a turn brings is done step by step, in the order of the steps and not of its coming', async () => {
  const done: string[] = []
  const named = (name: string) => {
    const note = () => void done.push(name)
    return { read: note, sendUnsent: note, flush: note }
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
  const later = { sendUnsent: () => void done.push('later') }
  const earlier = { read: () => void done.push('earlier') }
  passAnswers.add({
    flush() {
      done.push('now')
      readClients.add(earlier)
      sendClients.add(later)
    },
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
