"""The program ``xsm``: the public functions over files.

``xsm --help`` lists the commands. Each opens files, calls one public function and
writes its result.
"""
