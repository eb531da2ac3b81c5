/** Records that waited on disk while the database was away, on their way into it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSpool } from '../../src/gateway/spool/spool.ts'
import { createUsageEncoder } from '../../src/storage/usage/ledger/encoder.ts'
import { type Product, startProduct } from '../../test/support/product.ts'
import { usageRecord } from '../../test/support/usage-record.ts'
import { moveToLoadCore, processTree, serverCore } from '../cpu.ts'
import type { Row } from '../row.ts'
import type { Bench, Section } from './section.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const routes = 20

export const drainSection: Section = {
  name: 'drain',
  about: 'usage records that waited on disk: how fast the database has them',
  run: async (bench: Bench): Promise<Row[]> => {
    const folder = await mkdtemp(join(tmpdir(), 'sbx-'))
    try {
      const records = bench.isQuick ? 100_000 : 400_000
      await fillSpool(join(folder, 'spool'), records)
      await using product = await startProduct({ wrapper: serverCore, dataDir: folder })
      const isGateway = new Set(processTree(product.pid, (commandLine) => commandLine.includes('main.ts')))
      moveToLoadCore(processTree(product.pid).filter((pid) => !isGateway.has(pid)))
      const perSecond = await measureDrain(product)
      const what = `${records.toLocaleString('en')} records that waited: shipped`
      const result = { result: perSecond, resultUnit: 'records/s', goal: { atLeast: 20_000 } }
      return [{ what, unit: 'records/s', values: { signalbox: perSecond }, ...result }]
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    }
  },
}

async function fillSpool(root: string, count: number): Promise<void> {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const beganAtMs = Date.now() - count
  for (let n = 0; n < count; n++) {
    const route = n % routes
    const names = { routeId: `rte_${route}`, routeName: `route-${route}`, requestedModel: `route-${route}` }
    spool.append(usageRecord({ startedAtMs: beganAtMs + n, durationMs: 50 + (n % 100), ...names }), null, () => {})
    if (n % 1_000 === 0) await sleep(0)
  }
}

/** Between the first batch and the last. */
async function measureDrain(product: Product): Promise<number> {
  const pending = async () => {
    const headers = { authorization: `Bearer ${product.adminKey}` }
    const page = await (await fetch(`${product.apiUrl}/metrics`, { headers })).text()
    return Number(/^signalbox_spool_pending_records (\d+)$/m.exec(page)![1])
  }
  const [first, fromMs] = [await pending(), performance.now()]
  let left = first
  while (left > 0) {
    await sleep(50)
    left = await pending()
  }
  return ((first - left) * 1000) / (performance.now() - fromMs)
}
