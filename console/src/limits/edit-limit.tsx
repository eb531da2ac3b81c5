import type { VariablesOf } from '../api/graphql.ts'
import { EditDialog } from '../change/edit-dialog.tsx'
import { BoundFields, ObserveField, readBounds } from './bound-fields.tsx'
import { type RateLimitNode, UpdateRateLimit } from './limit-documents.ts'
import { subjectText } from './subject.tsx'

/** Other bounds for the same subject: what was used of them stays used. */
export function EditLimitDialog({ limit, onClose }: { readonly limit: RateLimitNode; readonly onClose: () => void }) {
  return (
    <EditDialog
      title={`Edit the limit of ${subjectText(limit.subject)}`}
      said="The limit is changed."
      subject={limit}
      document={UpdateRateLimit}
      read={readChanges}
      onClose={onClose}
    >
      <div className="form-grid">
        <BoundFields bounds={limit} />
      </div>
      <ObserveField isObserved={limit.enforcement === 'OBSERVE'} />
    </EditDialog>
  )
}

function readChanges(form: HTMLFormElement, before: RateLimitNode): VariablesOf<typeof UpdateRateLimit>['input'] {
  const bounds = readBounds(form)
  const changed = Object.entries(bounds).filter(([name, value]) => value !== before[name as keyof typeof bounds])
  return { id: before.id, ...(Object.fromEntries(changed) as Partial<typeof bounds>) }
}
