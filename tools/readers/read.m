function read(archive, signal, out, state)
% Read an archive with MATLAB's own functions: read('night.h5', 'EEG Fpz-Cz', 'samples.bin')
%   OUT    file for all stored samples as 64-bit floats
%   STATE  path of a freeze, '/freezes/source' for one; without it, the working state
if nargin < 2, signal = ''; end
if nargin < 3, out = ''; end
if nargin < 4, state = ''; end

fprintf('source_sha256\t%s\n', text(h5readatt(archive, '/', 'source_sha256')));
fprintf('digest\t%s\n', text(h5readatt(archive, '/', 'digest')));

% A table is a struct with one field for each column.
segments = h5read(archive, [state '/segments']);
fprintf('segment\t%.17g\t%.17g\n', [segments.start(:)'; segments.duration(:)']);
annotations = h5read(archive, [state '/annotations']);
texts = column(annotations.text);
kinds = column(annotations.kind);
for i = 1:numel(annotations.onset)
    fprintf('annotation\t%.17g\t%.17g\t%s\t%s\n', ...
        annotations.onset(i), annotations.duration(i), texts{i}, kinds{i});
end

if isempty(signal), return; end
path = [state '/signals/' signal];
stored = h5read(archive, path);
physical = double(stored) * h5readatt(archive, path, 'scale_factor') + h5readatt(archive, path, 'add_offset');
fprintf('label\t%s\n', text(h5readatt(archive, path, 'label')));
fprintf('units\t%s\n', text(h5readatt(archive, path, 'units')));
for name = {'sampling_rate', 'scale_factor', 'add_offset'}
    fprintf('%s\t%.17g\n', name{1}, h5readatt(archive, path, name{1}));
end
fprintf('samples\t%d\n', numel(stored));
fprintf('stored%s\n', sprintf('\t%d', stored(1:min(5, end))));
fprintf('physical%s\n', sprintf('\t%.17g', physical(1:min(5, end))));
if ~isempty(out)
    file = fopen(out, 'w', 'ieee-le');
    fwrite(file, stored, 'double');
    fclose(file);
end
end

function t = text(value)
% Text of an attribute: char, string or cell by release; NULs pad it.
t = strrep(char(value), char(0), '');
end

function texts = column(value)
% A table's text column as a cell array; as char it has one text in each column of the matrix.
if ischar(value), value = cellstr(value'); end
texts = strrep(cellstr(value), char(0), '');
end
