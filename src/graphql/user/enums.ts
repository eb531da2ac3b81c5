import type { UserRole as UserRoleWord } from '../../routing/config/vocabulary.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const UserRole = builder.enumType('UserRole', {
  description: 'What a user may do at most; a key can narrow it by its scopes.',
  values: {
    ADMIN: { description: 'Everything.' },
    OPERATOR: { description: "Everything but users and other people's keys." },
    MEMBER: { description: 'Inference, and a view of its own usage.' },
  } satisfies Values<UserRoleWord>,
})
