import { builder } from '../schema/builder.ts'
import { ServingState } from '../kit/enums.ts'
import { UserRole } from './enums.ts'
import { createFields, editFields } from '../kit/change-fields.ts'

export const UserCreateInput = builder.inputType('UserCreateInput', {
  description: 'A new user.',
  fields: (t) => ({
    name: t.string({ description: 'Unique.', required: true }),
    role: t.field({
      type: UserRole,
      description: 'What the user may do at most.',
      required: true,
      defaultValue: 'MEMBER',
    }),
    ...createFields(t),
  }),
})

export const UserUpdateInput = builder.inputType('UserUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    id: t.id({ description: 'Which user.', required: true }),
    name: t.string({ description: 'Unique.' }),
    role: t.field({
      type: UserRole,
      description: 'What the user may do at most. The role of the last admin cannot be changed.',
    }),
    state: t.field({ type: ServingState, description: 'Only an `ACTIVE` user can call.' }),
    ...editFields(t),
  }),
})

export const UserDeleteInput = builder.inputType('UserDeleteInput', {
  description: 'Deletes a user and its keys. The last admin cannot be deleted.',
  fields: (t) => ({
    id: t.id({ description: 'Which user.', required: true }),
    ...editFields(t),
  }),
})
