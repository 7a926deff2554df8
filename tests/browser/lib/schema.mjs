// Checks a value against a schema of the OpenAPI document: the part of JSON Schema 2020-12
// that the document uses, and an error for anything else, so that nothing is skipped silently.
const KNOWN = new Set([
  '$ref', 'type', 'enum', 'const', 'oneOf', 'anyOf', 'properties', 'required', 'additionalProperties', 'items',
  'minItems', 'maxItems', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'description', 'format',
  'default', 'title', 'examples', 'deprecated',
])
const typeOf = (v) =>
  v === null ? 'null' : Array.isArray(v) ? 'array' : Number.isInteger(v) ? 'integer' : typeof v
const fits = (want, have) => want === have || (want === 'number' && have === 'integer')

/** Lists what is wrong, e.g. "$.stop.reason: null is not string". */
export function violations(document, schema, value, at = '$') {
  if (schema.$ref) {
    const target = schema.$ref.slice(2).split('/').reduce((o, key) => o?.[key], document)
    return target ? violations(document, target, value, at) : [`${at}: ${schema.$ref} leads nowhere`]
  }
  const unknown = Object.keys(schema).filter((k) => !KNOWN.has(k) && !k.startsWith('x-'))
  if (unknown.length) return [`${at}: schema uses ${unknown.join(', ')}, which this check does not know`]
  const out = []
  const either = schema.oneOf ?? schema.anyOf
  if (either && !either.some((s) => violations(document, s, value, at).length === 0)) out.push(`${at}: fits no alternative`)
  const have = typeOf(value)
  const wanted = [schema.type ?? []].flat()
  if (wanted.length && !wanted.some((w) => fits(w, have))) return [...out, `${at}: ${have} is not ${wanted.join(' or ')}`]
  if (schema.enum && !schema.enum.includes(value)) out.push(`${at}: ${JSON.stringify(value)} is not one of ${JSON.stringify(schema.enum)}`)
  if ('const' in schema && schema.const !== value) out.push(`${at}: is not ${JSON.stringify(schema.const)}`)
  if (have === 'string') {
    if (schema.pattern && !new RegExp(schema.pattern, 'u').test(value)) out.push(`${at}: does not match ${schema.pattern}`)
    if ([...value].length < (schema.minLength ?? 0)) out.push(`${at}: too short`)
    if (schema.format === 'date-time' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) out.push(`${at}: not a time`)
  }
  if (have === 'integer' || have === 'number') {
    if (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)) out.push(`${at}: ${value} out of range`)
  }
  if (have === 'array') {
    if (value.length < (schema.minItems ?? 0)) out.push(`${at}: too few`)
    if (schema.items) value.forEach((v, i) => out.push(...violations(document, schema.items, v, `${at}[${i}]`)))
  }
  if (have === 'object') {
    for (const name of schema.required ?? []) if (!(name in value)) out.push(`${at}.${name}: missing`)
    for (const [name, v] of Object.entries(value)) {
      const described = schema.properties?.[name]
      if (described) out.push(...violations(document, described, v, `${at}.${name}`))
      else if (typeof schema.additionalProperties === 'object')
        out.push(...violations(document, schema.additionalProperties, v, `${at}.${name}`))
      else if (schema.properties) out.push(`${at}.${name}: not described`)
    }
  }
  return out
}
