/** A process that writes records until it is killed, and says of each when it was written. */
import { writeSync } from 'node:fs'
import { openSpool } from '../../../src/gateway/spool/spool.ts'
import { createJsonEncoder, openRequest } from '../../support/spooled-usage.ts'
import { usageRecord } from '../../support/usage-record.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const spool = openSpool({ root: process.argv[2]!, encoder: createJsonEncoder(), log, maxSegmentBytes: 20_000 })
setInterval(() => {
  for (let n = 0; n < 5; n++) {
    const record = usageRecord({ startedAtMs: Date.now() })
    const opened = openRequest(record)
    spool.open(opened)
    spool.append(record, opened, () => writeSync(1, `${record.id}\n`))
  }
}, 1)
