import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LogLevel } from '../../../src/server/configuration/config.ts'
import { createLog } from '../../../src/server/log/log.ts'

function openLog(level: LogLevel = 'info', forTerminal = false) {
  const written: string[] = []
  const log = createLog({ level, forTerminal, sink: { write: (text) => void written.push(text) } })
  const fields = () => JSON.parse(written[0] ?? '{}') as Record<string, unknown>
  return { log, written, fields }
}

describe('a line', () => {
  test('is one JSON object with its time, level, message and fields', () => {
    const { log, written } = openLog()
    log.child({ requestId: 'r1' }).warn({ route: 'chat' }, 'slow')
    expect(written).toHaveLength(1)
    expect(written[0]).toMatch(/^\{.*\}\n$/)
    expect(JSON.parse(written[0]!)).toEqual({
      level: 40,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      requestId: 'r1',
      route: 'chat',
      msg: 'slow',
    })
  })

  test('below the level is not written', () => {
    const { log, written } = openLog('warn')
    log.debug({}, 'a')
    log.info({}, 'b')
    log.warn({}, 'c')
    log.error({}, 'd')
    expect(written).toHaveLength(2)
  })

  test('has no secrets: neither by their names nor by their looks', () => {
    const { log, written } = openLog()
    log.info(
      {
        headers: { authorization: 'Bearer abcdefgh', Cookie: 'hunter2', 'x-api-key': 'hunter2', accept: '*/*' },
        adminKey: 'hunter2',
        proxy: 'http://user:hunter2@proxy:3128/',
        key: 'sbx_abcdefghHUNTER2HUNTER2HUNTER2HUNTER2',
        text: 'Authorization: Bearer hunter2hunter2',
        error: new Error('connect postgres://signalbox:hunter2@db/signalbox'),
      },
      'with sbx_abcdefghHUNTER2HUNTER2HUNTER2',
    )
    expect(written.join('')).not.toMatch(/hunter2/i)
    expect(written.join('')).toContain('sbx_abcdefgh…')
    expect(written.join('')).toContain('"accept":"*/*"')
  })

  test('is bounded, whatever is put in', () => {
    const { log, written, fields } = openLog()
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    log.info(
      {
        text: 'x'.repeat(1_000_000),
        list: Array.from({ length: 10_000 }, (_, index) => index),
        many: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`name${index}`, index])),
        circular,
        bytes: Buffer.alloc(1_000_000),
        big: 2n ** 64n,
        at: new Date(NaN),
      },
      'm'.repeat(1_000_000),
    )
    expect(written[0]!.length).toBeLessThan(10_000)
    expect(fields()).toMatchObject({ bytes: '(1000000 bytes)', big: '18446744073709551616', at: null })
  })

  test('tells an error with its code, stack and cause, and not what a library has hung on it', () => {
    const { log, fields } = openLog()
    const error = Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'E1', request: 'body' })
    log.error({ error }, 'failed')
    expect(fields()['error']).toEqual({
      name: 'Error',
      message: 'outer',
      code: 'E1',
      stack: expect.stringContaining('log.test.ts'),
      cause: { name: 'TypeError', message: 'inner', stack: expect.any(String) },
    })
  })
})

describe('on a terminal', () => {
  test('a line is text', () => {
    const { log, written } = openLog('info', true)
    log.info({ route: 'chat', ms: 12, name: 'two words' }, 'switched')
    expect(written[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} .*info.* switched route=chat ms=12 name="two words"\n$/)
  })

  test('an error has its stack below', () => {
    const { log, written } = openLog('info', true)
    log.error({ error: new Error('boom') }, 'failed')
    expect(written[0]).toMatch(/failed error="Error: boom"\n +at .*log\.test\.ts/)
  })

  test('what somebody else has chosen cannot write escape sequences or lines', () => {
    const { log, written } = openLog('info', true)
    log.info({ name: '\u001B]0;owned\u0007', 'na\nme': '\u009B31m' }, 'one\ntwo\r\u001B[2J')
    // The colour of the level is the only one.
    expect(written[0]!.replace('\u001B[32minfo\u001B[0m', '')).toMatch(/^[^\p{Cc}]*\n$/u)
  })
})

test('lines that were written just before the process ends are not lost', async () => {
  const module = JSON.stringify(join(import.meta.dirname, '../../../src/server/log/log.ts'))
  const script = `
    const { createLog } = await import(${module})
    const log = createLog({ level: 'info' })
    for (let i = 0; i < 1000; i++) log.info({ i }, 'line')
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(child.stdout, 'close')
  expect(text.trim().split('\n')).toHaveLength(1000)
})
