import DataLoader from 'dataloader'
import type { Db } from '../../storage/database/db.ts'
import { listSpoolStatus, type SpoolStatus } from '../../storage/usage/ledger/progress.ts'

/** What is read of gateways, in batches. */
export function gatewayLoaders(db: Db) {
  return {
    spoolStatus: spoolStatusOf(db),
  }
}

function spoolStatusOf(db: Db): DataLoader<string, SpoolStatus> {
  return new DataLoader(async (spoolIds) => {
    const status = await listSpoolStatus(db, spoolIds)
    return spoolIds.map((id) => status.get(id)!)
  })
}
