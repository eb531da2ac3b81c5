import type { Propagation as PropagationWord } from '../../control/kit/context.ts'
import type { RefusalCode } from '../../control/kit/refusal.ts'
import type { ServingState as ServingStateWord } from '../../routing/config/vocabulary.ts'
import type { ObjectOrder } from '../../storage/database/page.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const ServingState = builder.enumType('ServingState', {
  description: 'Whether an object takes traffic.',
  values: {
    ACTIVE: { description: 'Takes requests.' },
    DRAINING: { description: 'No new requests; those in flight run to their end.' },
    DISABLED: { description: 'Takes no requests.' },
  } satisfies Values<ServingStateWord>,
})

export const UserErrorCode = builder.enumType('UserErrorCode', {
  description: 'What kind of failure a `UserError` is.',
  values: {
    INVALID: { description: 'Malformed or out of range.' },
    TAKEN: { description: 'The name is taken.' },
    NOT_FOUND: { description: 'The object does not exist, or the viewer may not see it.' },
    FORBIDDEN: { description: 'The viewer may see the object but not do this.' },
    REVISION_CONFLICT: { description: '`expectedRevision` is not the current revision.' },
    IN_USE: { description: 'Other objects refer to this one.' },
    FAILED_PRECONDITION: { description: "The object's state does not allow this." },
    LIMIT_EXCEEDED: { description: 'A bound on the number or size of objects is reached.' },
    IDEMPOTENCY_KEY_REUSED: { description: 'The same idempotency key came with another input.' },
    UNSAFE_URL: { description: 'The address may not be called from this installation.' },
    UPSTREAM_FAILED: { description: 'An upstream server refused or could not be reached while it was being tested.' },
  } satisfies Values<RefusalCode>,
})

export const Propagation = builder.enumType('Propagation', {
  description: 'What a mutation waits for before it answers.',
  values: {
    COMMITTED: { description: 'The database has committed.' },
    APPLIED: {
      description:
        'Every live gateway serves the change, or 5 s have passed: compare `configVersion` with `configStatus.appliedVersion`.',
    },
  } satisfies Values<PropagationWord>,
})

export const SortDirection = builder.enumType('SortDirection', {
  description: 'The direction in which a list is ordered.',
  values: {
    ASC: { description: 'The smallest value first.' },
    DESC: { description: 'The greatest value first.' },
  } satisfies Values<ObjectOrder['direction']>,
})

export const ObjectOrderField = builder.enumType('ObjectOrderField', {
  description: 'What a list of objects can be ordered by.',
  values: {
    CREATED_AT: { description: 'When it was created.' },
    UPDATED_AT: { description: 'When it was last changed.' },
    NAME: { description: 'Its name, compared by code points.' },
  } satisfies Values<ObjectOrder['field']>,
})
