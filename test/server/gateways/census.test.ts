import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GatewayCount } from '../../../src/server/gateways/census.ts'
import { until } from '../../support/until.ts'

function countedFrom(file: string | null = null) {
  const clock = { nowMs: 1 }
  const count = new GatewayCount(
    file,
    () => clock.nowMs,
    () => {},
  )
  return { clock, count }
}

describe('the number of gateways', () => {
  test('has those that are lost in it for the first seconds after a start', () => {
    const { clock, count } = countedFrom()
    expect(count.current).toBe(1)
    count.tell({ live: 0, lost: 2 })
    expect(count.current).toBe(3)
    clock.nowMs += 1_000
    count.tell({ live: 1, lost: 1 })
    expect(count.current).toBe(3)
    clock.nowMs += 5_000
    count.tell({ live: 1, lost: 1 })
    expect(count.current).toBe(2)
  })

  test('is what it was before the process started, until the database tells', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-count-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'gateway-count')
    countedFrom(file).count.tell({ live: 3, lost: 0 })
    await until(async () => (await readFile(file, 'utf8').catch(() => '')) === '4\n')
    const { count } = countedFrom(file)
    expect(count.current).toBe(4)
    count.tell({ live: 0, lost: 0 })
    expect(count.current).toBe(1)
  })

  test.each(['', 'many', '-3', '0', '1e9', '2.5'])('is 1 if the file says "%s"', async (text) => {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-count-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'gateway-count'), text)
    expect(countedFrom(join(folder, 'gateway-count')).count.current).toBe(1)
  })
})
