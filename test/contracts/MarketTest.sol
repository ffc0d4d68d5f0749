// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Vm} from "./Vm.sol";

/// @notice A market with three operators, and the steps of a job in the words of the tests. Hashes, digests and
/// terms are computed here a second time, from the documentation and not with the contracts' code. The contracts
/// come as bytecode from the build: what is tested is what is deployed, and a test compiles in seconds.
abstract contract MarketTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant START = 1_800_000_000;
    uint32 internal constant WINDOW = 100;
    uint32 internal constant UNBONDING = 1000;
    uint96 internal constant BOND = 1 ether;
    uint88 internal constant FEE = 1000;
    uint96 internal constant PRICE = 50_000;
    uint256 internal constant DURATION = 600;
    bytes32 internal constant ALGORITHM = keccak256("algorithm");
    bytes32 internal constant RESULT_KEY = keccak256("result key");
    bytes internal constant SPEC = '{"columns":["a"]}';
    /// Micro-rho of an exact result, of terms that allow one, and of a budget without a limit.
    uint64 internal constant EXACT = type(uint64).max;
    address internal constant SELLER = address(0x5e11e6);
    address internal constant BUYER = address(0xb0b);
    address internal constant STRANGER = address(0x57a);

    IOperatorRegistry internal operators;
    IOfferRegistry internal offers;
    IJobEscrow internal escrow;
    address[3] internal members = [address(0xa1), address(0xa2), address(0xa3)];
    /// Private keys of the signers, by index of the member.
    uint256[3] internal keys = [uint256(0x1001), 0x1002, 0x1003];
    uint256 private _published;

    function setUp() public virtual {
        vm.warp(START);
        operators = IOperatorRegistry(_deploy("OperatorRegistry", abi.encode(BOND, UNBONDING)));
        escrow = IJobEscrow(_deploy("JobEscrow", abi.encode(operators, WINDOW)));
        offers = escrow;
        for (uint256 i; i < 3; ++i) {
            vm.deal(members[i], 10 ether);
            _register(members[i], vm.addr(keys[i]));
            vm.prank(members[i]);
            operators.approve(ALGORITHM);
        }
        operators.createSet(members);
        vm.deal(BUYER, 100 ether);
    }

    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code =
            bytes.concat(vm.getCode(string.concat("contracts/", name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        _true(deployed != address(0), name);
    }

    // ---- operators and sellers ---------------------------------------------------------------------

    function _keys(address signer) internal pure returns (IOperatorRegistry.OperatorKeys memory) {
        return IOperatorRegistry.OperatorKeys(signer, keccak256("seal"), keccak256("channel"), keccak256("jiff"));
    }

    function _register(address operator, address signer) internal {
        vm.prank(operator);
        operators.register{value: BOND}(_keys(signer), "127.0.0.1:9000", FEE);
    }

    function _input(string memory label) internal view returns (IOfferRegistry.OfferInput memory input) {
        input.members = members;
        input.schemaHash = keccak256("schema");
        input.rows = 7;
        input.columns = 2;
        input.nonce = keccak256(bytes(label));
        for (uint256 i; i < 3; ++i) input.ciphertextHashes[i] = keccak256(abi.encode(label, i));
        input.budgetMicroRho = EXACT;
        input.terms = _useTerms();
    }

    /// Anything may be done with the data, at the price of a use.
    function _useTerms() internal pure returns (IOfferRegistry.UseTerms memory terms) {
        terms.priceWei = PRICE;
        terms.maxMicroRho = EXACT;
        terms.expirySec = type(uint40).max;
    }

    function _use(address seller, bytes32 dataRoot, IOfferRegistry.UseTerms memory terms)
        internal
        pure
        returns (IOfferRegistry.OfferUse memory use)
    {
        use.seller = seller;
        use.dataRoot = dataRoot;
        use.terms = terms;
    }

    function _commit(address seller, IOfferRegistry.OfferInput memory input) internal view returns (bytes32) {
        bytes32[3] memory commitments;
        for (uint256 i; i < 3; ++i) {
            commitments[i] = keccak256(
                abi.encode(
                    block.chainid,
                    address(offers),
                    seller,
                    input.nonce,
                    input.schemaHash,
                    input.rows,
                    input.columns,
                    input.members[i],
                    i + 1,
                    input.ciphertextHashes[i]
                )
            );
        }
        return keccak256(abi.encode(commitments[0], commitments[1], commitments[2]));
    }

    /// Publishes `count` data sets of the seller.
    function _publish(uint256 count) internal returns (IOfferRegistry.OfferUse[] memory uses) {
        uses = new IOfferRegistry.OfferUse[](count);
        for (uint256 i; i < count; ++i) {
            IOfferRegistry.OfferInput memory input = _input(string(abi.encode("data set", ++_published)));
            vm.prank(SELLER);
            offers.publish(input);
            uses[i] = _use(SELLER, _commit(SELLER, input), input.terms);
        }
    }

    /// The seller offers the data set under the terms of this use from now on.
    function _relist(IOfferRegistry.OfferUse memory use) internal {
        vm.prank(use.seller);
        offers.relist(_set(), use.dataRoot, use.terms);
    }

    function _set() internal view returns (bytes32) {
        return keccak256(abi.encode(members[0], members[1], members[2]));
    }

    // ---- jobs --------------------------------------------------------------------------------------

    /// For an exact result.
    function _request(IOfferRegistry.OfferUse[] memory uses)
        internal
        view
        returns (IJobEscrow.JobRequest memory request)
    {
        request.algorithm = ALGORITHM;
        request.members = members;
        request.deadlineSec = uint64(block.timestamp + DURATION);
        request.resultKey = RESULT_KEY;
        request.microRho = EXACT;
        request.offers = uses;
        request.spec = SPEC;
    }

    function _price(uint256 count) internal pure returns (uint256) {
        return count * PRICE + 3 * uint256(FEE);
    }

    /// The terms that a job over these offers must have.
    function _terms(address buyer, IJobEscrow.JobRequest memory request, uint256[] memory ids, uint256 amountWei)
        internal
        view
        returns (IJobEscrow.JobTerms memory terms)
    {
        bytes32[] memory roots = new bytes32[](ids.length);
        for (uint256 i; i < ids.length; ++i) roots[i] = request.offers[i].dataRoot;
        terms.buyer = buyer;
        terms.amountWei = uint96(amountWei);
        terms.deadlineSec = request.deadlineSec;
        terms.algorithm = request.algorithm;
        terms.inputRoot = keccak256(abi.encode(roots, keccak256(request.spec)));
        terms.specHash = keccak256(
            abi.encode(
                request.algorithm,
                _set(),
                request.deadlineSec,
                request.resultKey,
                request.microRho,
                request.purpose,
                ids,
                roots,
                keccak256(request.spec),
                buyer
            )
        );
        for (uint256 i; i < 3; ++i) terms.signers[i] = vm.addr(keys[i]);
    }

    function _spec(IJobEscrow.JobRequest memory request, uint256[] memory ids)
        internal
        view
        returns (IJobEscrow.JobSpec memory spec)
    {
        spec.operatorSet = _set();
        spec.resultKey = request.resultKey;
        spec.microRho = request.microRho;
        spec.purpose = request.purpose;
        spec.offerIds = ids;
        spec.dataRoots = new bytes32[](ids.length);
        for (uint256 i; i < ids.length; ++i) spec.dataRoots[i] = request.offers[i].dataRoot;
        spec.specBytesHash = keccak256(request.spec);
    }

    /// Funds a job of the buyer over one new data set.
    function _fund() internal returns (uint256 jobId, IJobEscrow.JobTerms memory terms) {
        return _fundAs(BUYER);
    }

    function _fundAs(address buyer) internal returns (uint256 jobId, IJobEscrow.JobTerms memory terms) {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        uint256[] memory ids = new uint256[](1);
        ids[0] = offers.offerCount();
        terms = _terms(buyer, request, ids, _price(1));
        vm.prank(buyer);
        jobId = escrow.createJob{value: _price(1)}(request);
    }

    function _joined() internal returns (uint256 jobId, IJobEscrow.JobTerms memory terms) {
        (jobId, terms) = _fund();
        escrow.join(jobId, terms, _signAll(_joinDigest(jobId, terms.specHash)));
    }

    function _attestation(uint256 jobId, IJobEscrow.JobTerms memory terms, bytes32 payoutRoot)
        internal
        pure
        returns (IJobEscrow.Attestation memory)
    {
        return IJobEscrow.Attestation(
            jobId, terms.algorithm, terms.inputRoot, keccak256("result"), payoutRoot, 0
        );
    }

    function _outcome(IJobEscrow.JobTerms memory terms, bytes32 payoutRoot)
        internal
        pure
        returns (IJobEscrow.Outcome memory)
    {
        return IJobEscrow.Outcome(keccak256(abi.encode(terms)), terms.buyer, keccak256("result"), payoutRoot);
    }

    function _attested(bytes32 payoutRoot) internal returns (uint256 jobId, IJobEscrow.Outcome memory outcome) {
        IJobEscrow.JobTerms memory terms;
        (jobId, terms) = _joined();
        IJobEscrow.Attestation memory attestation = _attestation(jobId, terms, payoutRoot);
        escrow.attest(terms, attestation, _signAll(_attestDigest(attestation)));
        outcome = _outcome(terms, payoutRoot);
    }

    function _settled(bytes32 payoutRoot) internal returns (uint256 jobId, IJobEscrow.Outcome memory outcome) {
        (jobId, outcome) = _attested(payoutRoot);
        vm.prank(BUYER);
        escrow.accept(jobId, outcome);
    }

    function _failed() internal returns (uint256 jobId, IJobEscrow.JobTerms memory terms) {
        (jobId, terms) = _fund();
        escrow.fail(jobId, terms, _notices(jobId, 1, 3));
    }

    function _notices(uint256 jobId, uint8 first, uint8 second)
        internal
        view
        returns (IJobEscrow.FailureNotice[2] memory)
    {
        return [_notice(jobId, first, "PEER_LOST"), _notice(jobId, second, "PEER_TIMEOUT")];
    }

    function _notice(uint256 jobId, uint8 point, bytes32 reason)
        internal
        view
        returns (IJobEscrow.FailureNotice memory)
    {
        // A point beyond the set signs with a key of nobody.
        uint256 key = point >= 1 && point <= 3 ? keys[point - 1] : 0xdead;
        return IJobEscrow.FailureNotice(point, reason, _sign(key, _failDigest(jobId, reason)));
    }

    function _refund(uint256 jobId, IJobEscrow.JobTerms memory terms) internal {
        escrow.refund(jobId, terms);
    }

    function _state(uint256 jobId) internal view returns (JobState) {
        return escrow.job(jobId).state;
    }

    // ---- payouts -----------------------------------------------------------------------------------

    function _leaf(IJobEscrow.Payout memory payout) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payout.index, payout.account, payout.amountWei))));
    }

    function _pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _proof(bytes32 sibling) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = sibling;
    }

    // ---- signatures --------------------------------------------------------------------------------

    function _domain() internal view returns (bytes32) {
        return _domainOf(block.chainid, address(escrow));
    }

    function _domainOf(uint256 chain, address verifier) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Symbolon"),
                keccak256("1"),
                chain,
                verifier
            )
        );
    }

    function _digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _joinHash(uint256 jobId, bytes32 specHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Join(uint256 job,bytes32 spec)"), jobId, specHash));
    }

    function _joinDigest(uint256 jobId, bytes32 specHash) internal view returns (bytes32) {
        return _digest(_domain(), _joinHash(jobId, specHash));
    }

    function _attestDigest(IJobEscrow.Attestation memory attestation) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Attestation(uint256 job,bytes32 algorithm,bytes32 inputRoot,bytes32 resultRoot,bytes32 payoutRoot,uint256 budgetSpent)"
        );
        return _digest(_domain(), keccak256(abi.encode(typeHash, attestation)));
    }

    function _failDigest(uint256 jobId, bytes32 reason) internal view returns (bytes32) {
        return _digest(
            _domain(), keccak256(abi.encode(keccak256("Failure(uint256 job,bytes32 reason)"), jobId, reason))
        );
    }

    /// r and the s with the parity of v in its highest bit (EIP-2098).
    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes32[2] memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return [r, bytes32(uint256(s) | (uint256(v - 27) << 255))];
    }

    function _signAll(bytes32 digest) internal view returns (bytes32[2][3] memory) {
        return [_sign(keys[0], digest), _sign(keys[1], digest), _sign(keys[2], digest)];
    }

    /// The lowest bit of one word, turned.
    function _flipped(bytes memory original, uint256 word) internal pure returns (bytes memory changed) {
        changed = bytes.concat(original);
        changed[word * 32 + 31] ^= 0x01;
    }

    // ---- assertions --------------------------------------------------------------------------------

    error NotEqual(uint256 found, uint256 expected, string what);
    error NotTrue(string what);

    function _eq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(found, expected, what);
    }

    function _eq(JobState found, JobState expected) internal pure {
        if (found != expected) revert NotEqual(uint256(found), uint256(expected), "state");
    }

    function _true(bool holds, string memory what) internal pure {
        if (!holds) revert NotTrue(what);
    }
}
