// Shows /openapi.json: for each route what it takes, an example that can be pasted into a shell, and what it answers.
'use strict';

function element(name, text, children = []) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const child of children) made.append(child);
  return made;
}

function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.split('/').slice(1).reduce((node, key) => node[key], api);
}

function typeOf(api, schema) {
  const known = resolve(api, schema);
  if (known.enum) return known.enum.map((word) => JSON.stringify(word)).join(' | ');
  if (known.oneOf) return known.oneOf.map((one) => typeOf(api, one)).join(' | ');
  if (known.type === 'array') return `list of ${typeOf(api, known.items)}`;
  return known.type || 'object';
}

function fieldTable(api, schema) {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => {
    const required = (schema.required || []).includes(name) ? ' (required)' : '';
    const about = resolve(api, field).description || field.description || '';
    return element('tr', '', [
      element('td', '', [element('code', name)]), element('td', typeOf(api, field) + required), element('td', about)
    ]);
  });
  if (rows.length === 0) return element('p', '');
  const head = element('tr', '', ['field', 'type', 'meaning'].map((title) => element('th', title)));
  return element('table', '', [element('thead', '', [head]), element('tbody', '', rows)]);
}

function curl(method, path, example) {
  const url = `${window.location.origin}${path}`;
  if (method === 'get') return `curl ${url}`;
  return `curl ${url} -H 'Content-Type: application/json' \\\n  -d '${
      JSON.stringify(example).replaceAll('\'', '\'\\\'\'')}'`;
}

function showRoute(api, path, method, operation) {
  const parts = [element('h3', `${method.toUpperCase()} ${path}`), element('p', operation.summary)];
  const content = ((operation.requestBody || {}).content || {})['application/json'];
  if (content) parts.push(fieldTable(api, resolve(api, content.schema)));
  const shown = path.replace('{model}', 'MODEL');
  parts.push(element('pre', '', [element('code', curl(method, shown, content && content.example))]));
  const answers = Object.entries(operation.responses).map(([status, response]) => `${status}: ${response.description}`);
  parts.push(element('p', answers.join('. ')));
  return element('section', '', parts);
}

async function show() {
  const main = document.getElementById('routes');
  const response = await fetch('/openapi.json');
  const api = await response.json();
  document.getElementById('description').textContent = api.info.description;
  main.replaceChildren();
  for (const tag of api.tags) {
    main.append(element('h2', tag.name), element('p', tag.description));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags.includes(tag.name)) main.append(showRoute(api, path, method, operation));
      }
    }
  }
}

show().catch((error) => {
  document.getElementById('routes').textContent = `The document could not be shown: ${error.message}`;
});
