/** Where an answer goes may take no more of it: the command says so in a sentence, and its exit code tells. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'

const signalbox = `'${process.execPath}' '${join(import.meta.dirname, '../../src/main.ts')}'`

/** The last line of stdout is the exit code of the command. */
function runShell(script: string, url = '') {
  const env = {
    ...process.env,
    DATABASE_URL: url,
    SIGNALBOX_ENCRYPTION_KEY: '1'.repeat(64),
    SIGNALBOX_LOG_LEVEL: 'error',
  }
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { env, encoding: 'utf8' })
  return { code: stdout.trim().split('\n').at(-1), stderr }
}

test.skipIf(!existsSync('/dev/full'))('a full disk behind stdout is told without a trace', async () => {
  await using database = await openTestDatabase()
  expect(runShell(`${signalbox} version > /dev/full; echo $?`)).toEqual({
    code: '1',
    stderr: expect.stringMatching(/^The answer cannot be written: ENOSPC.*\n$/),
  })
  expect(runShell(`${signalbox} backup - > /dev/full; echo $?`, database.url)).toEqual({
    code: '1',
    stderr: expect.stringMatching(/^There is no room for stdout on its disk\..*\n$/),
  })
})

test('who leaves early has enough of an answer, and less than a backup', async () => {
  await using database = await openTestDatabase()
  expect(runShell(`${signalbox} help | head -n 1 > /dev/null; echo \${PIPESTATUS[0]}`)).toEqual({
    code: '0',
    stderr: '',
  })
  expect(runShell(`${signalbox} backup - | true; echo \${PIPESTATUS[0]}`, database.url)).toEqual({
    code: '1',
    stderr: 'The program that reads the backup has ended: it does not have all of it.\n',
  })
})
